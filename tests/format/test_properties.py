"""Formatting keeps what a file says, and formatting twice changes nothing: for programs that nobody would write."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc.format import format_range, format_text
from nesyc.parsing import parse_file
from tests.conftest import ROOT
from tests.format.same import applied, assert_kept, comments
from tests.fuzz import rounds
from tests.parsing.conftest import SAMPLE_FILES, SAMPLES
from tests.parsing.generate import dressed, mutated, programs
from tests.parsing.trees import without_spans

SPECS = [
    *(SAMPLES / name for name in SAMPLE_FILES),
    *sorted((ROOT / "specs").rglob("*.nesy")),
    *sorted((ROOT / "tests").rglob("fixtures/*.nesy")),
]
TEXTS = [path.read_text(encoding="utf-8") for path in SPECS]
COMMENTS = [" # why\n", "\n# own\n", "\n\n# a\n\n\n  #b\n", "#\n", "\n", " "]


@pytest.mark.parametrize("text", TEXTS, ids=[path.name for path in SPECS])
def test_every_spec_keeps_its_meaning(text: str) -> None:
    assert_kept(text) or pytest.skip("does not parse")


# What long runs once found: a text of several lines after a line that ends at the width.
FOUND = (
    'fragment of allow relation evaluate(allow:key={}*(allow+(not"""""",).a.allow.allow*true=='
    '\r\n"""\n    Story: {story}\n      # kept\n\n    """,))',
)


@pytest.mark.parametrize("text", FOUND)
def test_what_was_found_once(text: str) -> None:
    assert assert_kept(text)


@pytest.mark.fuzz
@rounds(150, 10_000)
@given(dressed(programs()))
def test_generated_programs_keep_their_meaning(text: str) -> None:
    assert assert_kept(text)


@pytest.mark.fuzz
@rounds(100, 5_000)
@given(st.randoms(use_true_random=False), st.sampled_from(TEXTS))
def test_comments_anywhere_are_kept(chance: random.Random, text: str) -> None:
    """A comment or a line end in place of any blank."""
    places = [place for place, character in enumerate(text) if character == " "]
    for place in sorted(chance.sample(places, min(len(places), 6)), reverse=True):
        text = text[:place] + chance.choice(COMMENTS) + text[place + 1 :]
    assert_kept(text)


@pytest.mark.fuzz
@rounds(100, 10_000)
@given(mutated(TEXTS))
def test_mutated_specs_keep_their_meaning(text: str) -> None:
    assert_kept(text)


@pytest.mark.fuzz
@rounds(50, 2_000)
@given(dressed(programs()), st.integers(0, 400), st.integers(0, 200))
def test_edits_of_a_range_keep_the_meaning(text: str, start: int, size: int) -> None:
    changed = applied(text, format_range("a.nesy", text, start, start + size))
    assert without_spans(parse_file("a.nesy", changed).file) == without_spans(parse_file("a.nesy", text).file)
    assert comments(changed) == comments(text)
    # The first line end decides for all, and an edit may bring another first one.
    again, whole = format_text("a.nesy", changed).text, format_text("a.nesy", text).text
    assert again is not None and whole is not None
    assert again.replace("\r\n", "\n") == whole.replace("\r\n", "\n")
