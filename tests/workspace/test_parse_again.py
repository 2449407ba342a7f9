"""A file parsed again after edits is the file parsed as a whole: every node, every place."""

from __future__ import annotations

import random
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesyc.diagnostics.layout import Layout
from nesyc.diagnostics.span import Span
from nesyc.parsing import source as module
from nesyc.parsing.source import parse_again, parse_source
from tests.fuzz import FUZZ
from tests.workspace.edits import SMALL_KB, edited

KINSHIP = (Path(__file__).parents[1] / "samples" / "kinship" / "kinship.nesy").read_text()
FRAGMENT = (
    "nesy 1\nfragment of family  # learned\nrule one: kin(a, b, r) :- parent(a, b, r);\n"
    'facts person { ("eve") }\nrule two: kin(a, a, r) :- parent(a, a, r);\n'
)


def placed(node: Any, layout: Layout) -> Any:
    """The node with every span where it stands now."""
    if isinstance(node, Span):
        return layout.place(node)
    if isinstance(node, tuple):
        return tuple(placed(item, layout) for item in node)
    if is_dataclass(node) and not isinstance(node, type):
        return replace(node, **{part.name: placed(getattr(node, part.name), layout) for part in fields(node)})
    return node


def check(known: module.Source, text: str) -> module.Source:
    found, whole = parse_again(known, text), parse_source("main.nesy", text)
    assert found.text == text
    assert found.diagnostics == whole.diagnostics
    # The place of the whole file is its head's matter, not an item's.
    mine = replace(placed(found.file, found.layout), span=whole.file.span)
    assert mine == whole.file
    assert "".join(found.buffer[one.origin :][: one.size] for one in found.layout.pieces) == text
    return found


@pytest.mark.fuzz
@pytest.mark.parametrize("text", [KINSHIP, FRAGMENT, SMALL_KB], ids=["kinship", "fragment", "small"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=500 if FUZZ else 25, deadline=None)
def test_the_same_file_after_any_edits(text: str, seed: int) -> None:
    choose = random.Random(seed)
    known = parse_source("main.nesy", text)
    for _ in range(6):
        text = edited(text, choose)
        known = check(known, text)


def parts_read(monkeypatch: pytest.MonkeyPatch, before: str, after: str) -> bool:
    """Whether `after` was read without parsing it as a whole; it is checked in any case."""
    known = parse_source("main.nesy", before)
    check(known, after)
    with monkeypatch.context() as patch:
        patch.setattr(module, "parse_source", lambda path, text: known)
        return parse_again(known, after).text == after


def at(text: str, mark: str, new: str) -> str:
    assert text.count(mark) == 1
    return text.replace(mark, new)


def test_an_edit_of_one_item_reads_only_its_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for mark, new in (
        ("a != c;", "a != c, b != c;"),
        ("  rule sib:  ", "  rule extra: sibling(a, b) :- sibling(b, a);\n  rule sib:"),
        ("  forbid self_parent:   parent(a, a, _);\n", ""),
        ("forbid own_kin: ", "# a remark, as long as it likes\n forbid own_kin: "),
        ("# written by stage `learn`, reviewed by people\n", "\n  rule last: sibling(a, a) :- person(a);\n"),
        ("store     = sqlite", "store = sqlite"),
    ):
        assert parts_read(monkeypatch, KINSHIP, at(KINSHIP, mark, new)), mark
    assert parts_read(monkeypatch, FRAGMENT, at(FRAGMENT, "eve", "adam"))
    assert parts_read(monkeypatch, FRAGMENT, f"{FRAGMENT}rule three: kin(a, b, r) :- kin(b, a, r);")


def test_what_may_mean_more_reads_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    one_line = 'nesy 1\nkb k { relation p(a: text) facts p { ("x") }  }\nparam x: int = 1\n'
    for before, after in (
        (KINSHIP, at(KINSHIP, "epochs = 3, lr = 2e-4", "epochs = 4, lr = 2e-4")),  # not in a KB
        (KINSHIP, at(KINSHIP, "a != c;", "a != c } ;")),  # a brace too many
        (KINSHIP, at(KINSHIP, "a != c;", "a != c { ;")),
        (KINSHIP, at(KINSHIP, "a != c;", 'a != c;\ntest "x" for family')),  # a declaration at the margin
        (UNTIDY, at(UNTIDY, "p(a);", "p(a;")),  # recovery would cut it elsewhere
        (one_line, at(one_line, ") }  }", ") } # }")),  # the brace is hidden
        (one_line, at(one_line, ") }  }", ") } } enum E { a } kb l { }")),  # another declaration
        (one_line, at(one_line, "kb k {", "kb kk {")),  # another KB
        (FRAGMENT, at(FRAGMENT, "of family", "of families")),
    ):
        assert not parts_read(monkeypatch, before, after), after


LINE = (
    "nesy 1\nkb k {{ relation p(a: text){}relation q(a: text){}relation r(a: text){}relation s(a: text)\n}}\n"
)


@pytest.mark.parametrize(
    "new", [" # ", " x = ", ", ,", ' say q = "', " } kb l { ", " rule a: q(a) :- p(a); ", "\n"]
)
def test_items_that_share_a_line(new: str) -> None:
    known = parse_source("main.nesy", LINE.format(" ", " ", " "))
    for place in range(3):
        gaps = [" ", " ", " "]
        gaps[place] = new
        check(known, LINE.format(*gaps))


def test_a_setting_goes_on_behind_its_end() -> None:
    text = "nesy 1\nkb k {\n  store = a\n  semantics = b\n  relation p(a: text)\n}\n"
    known = parse_source("main.nesy", text)
    for mark in ("store = a", "semantics = b"):
        for new in ("b", ".c", "(1)", " (1)", " + 1", "\n + 1", " # .c"):
            check(known, at(text, mark, mark + new))


UNTIDY = "nesy 1\nkb k {\n  relation p(a: text)\n  engine =\n    rule\n  rule one: p(a) :- p(a);\n  relation q(a: text)\n}\n"


def test_typing_a_rule_reads_only_its_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = '@learned(by = big) rule new 0.5: only_child(a) :- person(a), not (sibling(a, "x_{") or a != "b");'
    known = parse_source("main.nesy", KINSHIP)
    mark = "  rule no_sib:"
    for size in range(1, len(rule) + 1):
        text = at(KINSHIP, mark, f"  {rule[:size]}\n{mark}")
        if rule[:size].endswith('"x_{') or "{" not in rule[:size]:
            assert parts_read(monkeypatch, KINSHIP, text), rule[:size]
        known = check(known, text)
    known = check(known, at(KINSHIP, mark, f"  rule new: only_child(a) :- person(a);\n{mark}"))
    assert known.is_tidy and known.sound is None and known.diagnostics == ()


LINES = (
    'nesy 1\nkb one { engine = sqlite store = sqlite("one.db") relation p(a: text) }  # the first\n'
    'kb two { relation p(a: text) rule r: p(a) :- p(a); rule s: p(a) :- p("x"), p(a); }  # the second\n'
    'kb three { }\nkb four { relation p(a: text) { key (a) } facts p { ("x") ("y") } }\n'
)


def test_a_foreign_comment_takes_the_brace_of_its_line() -> None:
    known = parse_source("main.nesy", LINES)
    check(known, at(LINES, 'rule s: p(a) :- p("x"), p(a); }', "rule s: p(a) :}// , p(a); }"))
    check(known, at(LINES, "rule r: p(a) :- p(a);", "rule r: p(a) :- p(a); //"))


@pytest.mark.parametrize(
    "text", [KINSHIP, SMALL_KB, UNTIDY, LINES], ids=["kinship", "small", "untidy", "lines"]
)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=1500 if FUZZ else 40, deadline=None)
def test_the_same_file_while_an_item_is_broken(text: str, seed: int) -> None:
    choose = random.Random(seed)
    known = parse_source("main.nesy", text)
    begin = text.index("kb ")
    place = choose.randrange(begin, text.rindex("}"))
    for _ in range(5):
        place = max(begin, min(len(text), place + choose.randrange(-12, 13)))
        new = choose.choice(
            (
                "(",
                ")",
                "[",
                ";",
                ",",
                "(",
                "\n",
                " x",
                "rule",
                "=",
                "@",
                " not ",
                "relation",
                ":-",
                "",
                "é",
                '"',
                "#",
                "//",
                '"""',
                "{",
                "}",
            )
        )
        text = text[:place] + new + text[place + choose.choice((0, 0, 1, 1, 3, 9)) :]
        known = check(known, text)


def test_a_buffer_does_not_grow_for_ever() -> None:
    known = parse_source("main.nesy", SMALL_KB)
    for number in range(3000):
        known = parse_again(known, at(SMALL_KB, "b != c", f"b != c, a != {number}"))
        assert len(known.buffer) < 2 * len(known.text) + 110_000
    check(known, SMALL_KB)
