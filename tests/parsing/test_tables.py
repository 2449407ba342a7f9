"""The parser runs Lark's tables as Lark does; the cache holds them, and nothing else is believed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Token, Tree
from lark.lexer import Lexer

from nesyc.parsing import cache, tables
from nesyc.parsing.lalr import parse
from nesyc.parsing.lexer import tokenize


class OurTokens(Lexer):
    """Hands the tokens of nesyc's lexer to Lark."""

    __future_interface__ = 1

    def __init__(self, conf: object) -> None: ...

    def lex(self, lexer_state: Any, parser_state: object) -> Iterator[Token]:
        text = lexer_state.text
        for token in tokenize(text if isinstance(text, str) else text.text):
            yield Token(token.kind, token.text)


def _tree(value: Any) -> Any:
    if isinstance(value, Tree):
        return (str(value.data), *map(_tree, value.children))
    return None if value is None else str(value.text if hasattr(value, "text") else value)


def test_the_parser_builds_what_lark_builds(sample: tuple[str, str]) -> None:
    _, text = sample
    grammar = tables.grammar_path().read_text(encoding="utf-8")
    lark = Lark(grammar, parser="lalr", lexer=OurTokens, start=["file"], maybe_placeholders=True)
    ours = tables.load_tables()

    def builder(name: str) -> Any:
        return lambda context, children, span: (name, *map(_plain, children))

    def _plain(child: Any) -> Any:
        return child.text if hasattr(child, "kind") else child

    builders = [None if made.builder in ("", "_") else builder(made.builder) for made in ours.productions]
    found = parse(ours, "file", tokenize(text), builders, None, "a.nesy")
    assert found == _tree(lark.parse(text, start="file"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def _load() -> tables.Tables:
    return tables.load_tables.__wrapped__()


def test_tables_are_computed_once_and_then_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _load()
    (stored,) = (home / "nesyc").iterdir()
    assert stored.stat().st_mode & 0o077 == 0 and (home / "nesyc").stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(tables, "_compute", lambda grammar: pytest.fail("the cache is not used"))
    assert _load() == first


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"\x80\x04garbage", b'{"rows": 3}'])
def test_a_damaged_file_is_written_anew(home: Path, damage: bytes) -> None:
    whole = _load()
    (stored,) = (home / "nesyc").iterdir()
    content = stored.read_bytes()
    stored.write_bytes(damage)
    assert _load() == whole
    assert stored.read_bytes() == content


def test_a_folder_others_can_write_to_is_not_used(home: Path) -> None:
    _load()
    (stored,) = (home / "nesyc").iterdir()
    assert cache.read(stored.name) is not None
    (home / "nesyc").chmod(0o777)
    assert cache.read(stored.name) is None
    (home / "nesyc").chmod(0o700)
    stored.chmod(0o666)
    assert cache.read(stored.name) is None


def test_a_link_in_place_of_the_folder_is_not_used(home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (home / "nesyc").symlink_to(tmp_path / "elsewhere")
    assert cache.folder() is None
    assert _load().rows


@pytest.mark.parametrize("value", ["relative", "/proc/nowhere", "/dev/null"])
def test_no_folder_no_cache(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert _load().rows


def test_another_owner_is_not_believed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _load()
    (stored,) = (home / "nesyc").iterdir()
    monkeypatch.setattr(os, "geteuid", lambda: stored.stat().st_uid + 1)
    assert cache.read(stored.name) is None


def test_what_is_stored_is_plain_json(home: Path) -> None:
    _load()
    (stored,) = (home / "nesyc").iterdir()
    assert set(json.loads(stored.read_bytes())) >= {"rows", "productions", "starts"}
