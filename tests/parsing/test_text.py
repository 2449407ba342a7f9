"""String literals: escapes, dedenting, and the way back from the value to the source."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc.parsing import parse_file, text_offset
from nesyc.syntax import nodes


def _text(literal: str) -> tuple[nodes.Text, str]:
    source = f"nesy 1\ninclude {literal}"
    (include,) = parse_file("a.nesy", source).file.declarations
    assert isinstance(include, nodes.Include)
    return include.path, source


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        (r'"a\\s*(\\w+)"', r"a\s*(\w+)"),
        (r'"\n\t\"\\"', '\n\t"\\'),
        (r'"\u00e9\U0001F600"', "é😀"),
        ('""', ""),
        ('"# no comment"', "# no comment"),
        ('"""\n    a\n      b\n\n    c\n    """', "a\n  b\n\nc"),
        ('"""a\n    b"""', "a\nb"),
        ('"""  a"""', "  a"),
        ('"""\n  a\\n b \\\n  c\n  """', "a\n b c"),
        ('"""\n"""', ""),
        ('""""""', ""),
        ('"""\n  say "hi" or \\"""\n  """', 'say "hi" or """'),
        ('"""\r\n  a\r\n   b\r\n  """', "a\n b"),
        ('"""\n\ta\n\t\tb\n"""', "a\n\tb"),
    ],
)
def test_values(literal: str, value: str) -> None:
    node, source = _text(literal)
    assert node.value == value
    assert source[node.span.start : node.span.end] == literal


LINES = st.lists(st.text(alphabet="ab {}\t#'é", max_size=12), min_size=1, max_size=6)


@given(LINES, st.integers(0, 6))
def test_a_block_is_dedented_as_python_does(lines: list[str], indent: int) -> None:
    lines = [line.replace("\t", " ") for line in lines]
    body = "\n".join(" " * indent + line for line in lines)
    node, _ = _text('"""\n' + body + "\n" + " " * indent + '"""')
    expected = textwrap.dedent(body)
    assert [line.rstrip() for line in node.value.split("\n")] == [
        line.rstrip() for line in expected.split("\n")
    ]


PIECES = st.lists(
    st.sampled_from(
        ["a", " ", "{x}", "é", "😀", r"\n", r"\"", r"\\", r"\u0041", "\n", "\n  ", "\r\n", "#", "''"]
    ),
    max_size=14,
)


@given(PIECES, st.booleans())
def test_each_place_of_the_value_is_found_in_the_source(pieces: list[str], block: bool) -> None:
    body = "".join(piece for piece in pieces if block or "\n" not in piece)
    node, source = _text(f'"""\n  {body}\n  """' if block else f'"{body}"')
    previous = node.span.start
    for index, character in enumerate(node.value):
        offset = text_offset(node, source, index)
        assert previous < offset < node.span.end
        found = source[offset]
        assert found == character or found == "\\" or (found, character) == ("\r", "\n")
        previous = offset
    end = text_offset(node, source, len(node.value))
    assert previous < end <= node.span.end


def test_a_hole_in_a_prompt_is_found_in_the_source(sample_text: str) -> None:
    (task,) = (d for d in parse_file("k", sample_text).file.declarations if isinstance(d, nodes.Task))
    text = task.prompts[0].text
    start = text_offset(text, sample_text, text.value.index("{retrieved}"))
    assert sample_text[start:].startswith("{retrieved}")
