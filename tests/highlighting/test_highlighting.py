"""Colour: the words are the grammar's, the lexer names what stands there, the extension's files are fresh."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from pygments.token import Comment, Error, Keyword, Name, String

from nesyc.highlighting import words
from nesyc.highlighting.pygments_lexer import NesyLexer
from nesyc.highlighting.textmate import PLACE, textmate
from nesyc.parsing.tables import STARTS, grammar_path
from tests.conftest import ROOT
from tests.parsing.conftest import SAMPLE_FILES, SAMPLES

EXTENSION = ROOT / "editors" / "vscode"
SPECS = [*(SAMPLES / name for name in SAMPLE_FILES), *sorted((ROOT / "specs").rglob("*.nesy"))]


def test_the_words_are_those_of_the_grammar() -> None:
    from lark import Lark

    grammar = Lark(grammar_path().read_text(encoding="utf-8"), parser="lalr", start=list(STARTS))
    spelled = {terminal.name: terminal.pattern.value for terminal in grammar.terminals}
    keywords = {name for name, text in spelled.items() if re.fullmatch("[a-z]+", text)}
    declaring, opening, joining = set(), set(), set()
    for rule in grammar.rules:
        symbols = [symbol.name for symbol in rule.expansion if symbol.name != "annotated"]
        if rule.origin.name in ("word", "guarded", "name"):
            continue
        for place, symbol in enumerate(symbols):
            if symbol in keywords:
                named = symbols[place + 1 : place + 2] in (["name"], ["word"])
                (joining if place else declaring if named else opening).add(spelled[symbol])
    other = {*words.OPERATORS, *words.CONSTANTS}
    assert declaring == set(words.DECLARING)
    assert opening - declaring - other == set(words.OPENING)
    assert joining - declaring - opening - other == set(words.JOINING)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_the_lexer_knows_everything_and_loses_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = list(NesyLexer(stripnl=False, ensurenl=False).get_tokens(text))
    assert "".join(value for _, value in found) == text
    assert not [value for kind, value in found if kind in Error]


def test_soft_keywords_are_told_from_names() -> None:
    text = (SAMPLES / SAMPLE_FILES[0]).read_text(encoding="utf-8")
    found = list(NesyLexer().get_tokens(text))
    keywords = {value for kind, value in found if kind in Keyword}
    assert {
        "nesy",
        "kb",
        "rule",
        "test",
        "for",
        "expect",
        "error",
        "with",
        "resolve",
        "report",
        "key",
    } <= keywords
    split = [kind for kind, value in found if value == "test"]
    assert (
        Name.Class in split and Name in split and Keyword in split
    )  # `split test`, `clutrr.test`, `test "..."`
    assert all(kind is Name.Attribute for kind, value in found if value in ("endpoint", "rpm"))
    assert (String.Interpol, "{story}") in found
    assert any(kind in Comment for kind, _ in found)


def test_the_lexer_is_registered() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, name = project["entry-points"]["pygments.lexers"]["nesy"].split(":")
    assert getattr(import_module(module), name) is NesyLexer


def test_the_textmate_grammar_is_fresh_and_its_patterns_compile() -> None:
    assert PLACE.read_text(encoding="utf-8") == textmate(), "run python -m nesyc.highlighting.textmate"
    for pattern in json.loads(textmate())["patterns"]:
        for key in ("match", "begin", "end"):
            re.compile(pattern.get(key, ""))


def test_the_extension_names_files_that_exist() -> None:
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    contributes = package["contributes"]
    named = [
        package["main"],
        *(language["configuration"] for language in contributes["languages"]),
        *(grammar["path"] for grammar in contributes["grammars"]),
        *(snippets["path"] for snippets in contributes["snippets"]),
    ]
    assert all((EXTENSION / name).is_file() for name in named)
    for path in EXTENSION.rglob("*.json"):
        if "node_modules" not in path.parts:
            json.loads(path.read_text(encoding="utf-8"))
    source = (EXTENSION / "extension.js").read_text(encoding="utf-8")
    for setting in contributes["configuration"]["properties"]:
        assert setting == "nesy.trace.server" or setting.removeprefix("nesy.") in source
    for command in contributes["commands"]:
        assert command["command"] in source


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
def test_the_client_is_javascript() -> None:
    subprocess.run(["node", "--check", str(EXTENSION / "extension.js")], check=True)
