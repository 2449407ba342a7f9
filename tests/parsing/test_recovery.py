"""Recovery: every independent mistake is reported in one run, and what is sound is still read."""

from __future__ import annotations

import pytest

from nesyc.diagnostics import Diagnostic
from nesyc.parsing import parse_file
from nesyc.syntax import nodes
from tests.parsing.trees import kb_items

TEN = {
    "param budget: usd = 25.00": "param budget = usd = 25.00",
    'hf("Qwen/Qwen2.5-0.5B")': "hf('Qwen/Qwen2.5-0.5B')",
    "row (id: text key": "rwo (id: text key",
    "metric accuracy = mean": "metric accuracy == mean",
    "relation compose": "relaton compose",
    "a != c;": "a != c",
    "n = count(b: sibling(a, b));": "n = count(b: sibling(a, b)).",
    "take   = 3": "take   : 3",
    "stage base    = finetune(student": "stage base    = finetune student",
    'expect only_child("carl");': 'expect only_child("carl) ;',
}


def _where(text: str, found: tuple[Diagnostic, ...]) -> list[int]:
    return [text.count("\n", 0, diagnostic.span.start) + 1 for diagnostic in found]


def test_ten_mistakes_give_ten_diagnostics_on_their_lines(sample_text: str) -> None:
    text = sample_text
    for right, wrong in TEN.items():
        assert right in text
        text = text.replace(right, wrong, 1)
    found = parse_file("kinship.nesy", text).diagnostics
    lines = sorted(sample_text.count("\n", 0, sample_text.index(right)) + 1 for right in TEN)
    assert _where(text, found) == lines


@pytest.mark.parametrize("right", TEN)
def test_one_mistake_gives_one_diagnostic_and_spares_the_rest(sample_text: str, right: str) -> None:
    text = sample_text.replace(right, TEN[right], 1)
    parsed = parse_file("kinship.nesy", text)
    assert len(parsed.diagnostics) == 1
    whole = parse_file("kinship.nesy", sample_text).file
    assert len(parsed.file.declarations) >= len(whole.declarations) - 1
    assert len(kb_items(parsed.file)) >= len(kb_items(whole)) - 1
    assert parsed.file.edition == 1


SLIPS = {
    "rule r = p(a) :- q(a);": ("E0101", "expected `:`, found `=`"),
    "rule r: p(a) <- q(a);": ("E0101", "expected `:-` between head and body"),
    "rule r: p(a) : q(a);": ("E0101", "expected `:-` between head and body"),
    "rule r: p(a) if q(a);": ("E0101", "expected `:-` between head and body"),
    "rule r: p(a) q(a);": ("E0101", "expected `:-`, found `q`"),
    "rule r: p(a);": ("E0101", "this rule has no body"),
    "rule r: p(a) :- q(a)": ("E0101", "expected `;`"),
    "rule r: p(a) :- q(a).": ("E0101", "a rule ends with `;`, not `.`"),
    "rule r: p(a) :- q(a) r(a);": ("E0101", "expected `,` or `;`, found `r`"),
    "rule r: p(a) :- q(a), ;": ("E0101", "expected a literal such as `p(x)`, found `;`"),
    "rule r: p(a) :- q(x = a);": ("E0101", "the arguments of `q` go by position, not by name"),
    "rule r: p(n) :- n = total(b: q(b));": ("E0101", "`total` is no aggregate"),
    "rule r: p('a') :- q(_);": ("E0101", "strings stand in double quotes"),
    'rule r: p(a) :- q("a);': ("E0102", "this string is not closed on its line"),
    "rule r: p(a) :- q(a) && r(a);": ("E0101", "unexpected character `&&`"),
    "relation r(a text)": ("E0101", "expected `:`, found `text`"),
    "relation r(a = text)": ("E0101", "expected `:`, found `=`"),
    "relation r(a: vector(1.5))": ("E0101", "expected a whole number, found `1.5`"),
    "relation r(a: text) { kye (a) }": ("E0101", "expected"),
    "relaton r(a: text)": ("E0101", "`relaton` begins no item of a kb"),
    "store : 3": ("E0101", "expected `=`, found `:`"),
    "store == 3": ("E0101", "expected `=`, found `==`"),
    "store = a = b": ("E0101", "`=` does not compare here"),
    'store = "a\\q"': ("E0101", "`\\q` is no escape"),
    "store = 1 // why": ("E0101", "`//` does not begin a comment"),
    "store = f(1": ("E0102", "this `(` is never closed"),
    "store = f(1))": ("E0101", "unexpected `)`"),
    "store = f(, 1)": ("E0101", "expected a value or `)`, found `,`"),
    "store = 1e999": ("E0101", "this number is too large"),
}


@pytest.mark.parametrize("item", SLIPS)
def test_slips_are_told_apart_and_hide_nothing_else(item: str) -> None:
    text = f'nesy 1\nkb k {{\n  {item}\n  say p = "x"\n  rule last: p(a) :- q(a) ;\n}}\nparam x: int\n'
    parsed = parse_file("a.nesy", text)
    code, message = SLIPS[item]
    assert [(found.code, found.message.startswith(message)) for found in parsed.diagnostics] == [
        (code, True)
    ], parsed.diagnostics
    assert 3 in {text.count("\n", 0, parsed.diagnostics[0].span.start) + 1}
    names = [type(declaration).__name__ for declaration in parsed.file.declarations]
    assert names == ["Kb", "Param"]
    kept = kb_items(parsed.file)
    assert isinstance(kept[-1], nodes.Rule) and isinstance(kept[-2], nodes.Say)


def test_the_edits_of_a_help_mend_the_text() -> None:
    mended = 0
    for item in SLIPS:
        text = f'nesy 1\nkb k {{\n  {item}\n  say p = "x"\n}}\n'
        (found,) = parse_file("a.nesy", text).diagnostics
        if found.help is None or not found.help.edits:
            continue
        for edit in reversed(found.help.edits):
            text = text[: edit.span.start] + edit.text + text[edit.span.end :]
        assert parse_file("a.nesy", text).diagnostics == (), (item, text)
        mended += 1
    assert mended >= 15


def test_an_unclosed_block_points_at_its_brace_and_at_its_end(sample_text: str) -> None:
    text = sample_text.replace("  cite   = true\n}", "  cite   = true\n")
    parsed = parse_file("a.nesy", text)
    (found,) = parsed.diagnostics
    assert found.code == "E0102" and text[found.span.start] == "{"
    assert text[: found.related[0].span.start].endswith("cite   = true")
    assert len(parsed.file.declarations) == 15


@pytest.mark.parametrize("removed", range(9))
def test_one_missing_brace_is_one_diagnostic(sample_text: str, removed: int) -> None:
    """Whichever `}` at the left margin is missing, all other declarations are read."""
    places = [place for place in range(len(sample_text)) if sample_text.startswith("\n}\n", place)]
    place = places[removed]
    parsed = parse_file("a.nesy", sample_text[: place + 1] + sample_text[place + 2 :])
    assert [found.code for found in parsed.diagnostics] == ["E0102"]
    assert len(parsed.file.declarations) == 15


def test_the_edition_is_asked_for() -> None:
    (found,) = parse_file("a.nesy", "# words\nenum Kin { father }\n").diagnostics
    assert found.code == "E0104" and found.help is not None
    assert found.help.edits[0].text == "nesy 1\n\n"
    assert [d.code for d in parse_file("a.nesy", "nesy 7").diagnostics] == ["E0104"]
    assert [d.code for d in parse_file("a.nesy", "nesy x").diagnostics] == ["E0101"]


def test_what_a_help_mends_is_read_as_mended(sample_text: str) -> None:
    """A misspelt keyword or a missing `;` does not make what it declares unknown, nor hide what is inside."""
    whole = parse_file("a.nesy", sample_text).file
    for right, wrong in {"relation compose": "relaton compose", "a != c;": "a != c", "sib:": "sib="}.items():
        file = parse_file("a.nesy", sample_text.replace(right, wrong, 1)).file
        assert [type(item) for item in kb_items(file)] == [type(item) for item in kb_items(whole)]
    text = sample_text.replace("kb family {", "kbb family {").replace("a != c;", "a != c")
    text = text.replace("say kin ", "sya kin ")
    parsed = parse_file("a.nesy", text)
    assert [found.message for found in parsed.diagnostics] == [
        "`kbb` begins no declaration",
        "expected `;`",
        "`sya` begins no item of a kb",
    ]
    assert len(kb_items(parsed.file)) == len(kb_items(whole))
