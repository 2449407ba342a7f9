"""Where `allow` holds: the KB with its fragments, the file, and in the main file the whole spec."""

from __future__ import annotations

from pathlib import Path

from nesyc.pipeline import check_spec

ALLOW = 'allow(W0401, "named for the reader")\n'
KB = "kb NAME {\n  relation p(a: text, b: text)\n  derived q(a: text)\n  rule own: q(a) :- p(a, b);\n}\n"
RULE = "rule more: q(b) :- p(a, b);\n"


def warned(folder: Path, **files: str) -> list[str]:
    """The files with a W0401."""
    for name, text in files.items():
        (folder / f"{name}.nesy").write_text(f"nesy 1\n{text}", encoding="utf-8")
    checked = check_spec(folder / "main.nesy")
    assert {found.code for found in checked.diagnostics} <= {"W0401"}
    return [found.span.file for found in checked.diagnostics]


def with_fragment(name: str, inside: str = "") -> str:
    return KB.replace("NAME", name).replace("  rule own", f'  include "rules.nesy"\n{inside}  rule own')


def test_in_the_main_file_it_holds_everywhere(tmp_path: Path) -> None:
    files = {
        "main": ALLOW + 'include "other.nesy"\n' + KB.replace("NAME", "k"),
        "other": KB.replace("NAME", "l"),
    }
    assert warned(tmp_path, **files) == []


def test_in_an_included_file_it_holds_there(tmp_path: Path) -> None:
    files = {
        "main": 'include "other.nesy"\n' + KB.replace("NAME", "k"),
        "other": ALLOW + KB.replace("NAME", "l"),
    }
    assert warned(tmp_path, **files) == ["main.nesy"]


def test_in_a_kb_it_holds_for_the_kb_and_its_fragments(tmp_path: Path) -> None:
    rules = f"fragment of k\n{RULE}"
    assert warned(tmp_path, main=with_fragment("k", ALLOW) + KB.replace("NAME", "l"), rules=rules) == [
        "main.nesy"
    ]


def test_in_a_fragment_it_holds_there(tmp_path: Path) -> None:
    rules = f"fragment of k\n{ALLOW}{RULE}"
    assert warned(tmp_path, main=with_fragment("k"), rules=rules) == ["main.nesy"]
    assert warned(tmp_path, main=with_fragment("k"), rules=rules.replace(ALLOW, "")) == [
        "main.nesy",
        "rules.nesy",
    ]
