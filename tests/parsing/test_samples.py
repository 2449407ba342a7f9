"""The samples of the language parse, and parse to this tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from nesyc.diagnostics import SourceMap
from nesyc.parsing import parse_file
from nesyc.syntax import nodes
from nesyc.syntax.dump import dump
from tests.parsing.trees import kb_items, without_spans

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "ast"


def test_the_samples_parse_to_the_golden_tree(
    sample: tuple[str, str], golden: Callable[[Path, str], None]
) -> None:
    name, text = sample
    parsed = parse_file(name, text)
    assert parsed.diagnostics == ()
    golden(GOLDEN / f"{Path(name).stem}.txt", dump(parsed.file, SourceMap({name: text})))


def test_what_stands_in_kinship(sample_text: str) -> None:
    file = parse_file("kinship.nesy", sample_text).file
    assert file.edition == 1 and file.fragment_of is None
    counts = Counter(type(declaration).__name__ for declaration in file.declarations)
    assert counts["Test"] == 3 and counts["Kb"] == 1 and sum(counts.values()) == 15
    rules = {item.name.text: item for item in kb_items(file) if isinstance(item, nodes.Rule)}
    assert list(rules) == ["kin_base", "kin_chain", "sib", "no_sib", "sib_n"]
    chain = rules["kin_chain"]
    assert chain.confidence is not None and chain.confidence.value == 0.92
    assert [type(literal).__name__ for literal in chain.body] == ["Atom", "Atom", "Atom", "Comparison"]


def test_comments_line_ends_and_commas_mean_nothing(sample_text: str) -> None:
    file = without_spans(parse_file("a.nesy", sample_text).file)
    assert without_spans(parse_file("a.nesy", sample_text.replace("\n", "\r\n")).file) == file
    commas = sample_text.replace("max_tokens = 1024\n", "max_tokens = 1024,\n").replace(
        "father mother son", "father, mother, son"
    )
    assert commas != sample_text
    assert without_spans(parse_file("a.nesy", commas).file) == file
