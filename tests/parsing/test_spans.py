"""Spans: every node covers its own text, nothing more and nothing less."""

from __future__ import annotations

from nesyc.parsing import parse_file
from nesyc.syntax import nodes
from tests.parsing.trees import kb_items, walk, without_spans


def test_names_and_constants_cover_their_text(sample: tuple[str, str]) -> None:
    name, text = sample
    for node in walk(parse_file(name, text).file):
        slice_ = text[node.span.start : node.span.end]
        match node:
            case nodes.Ident(text=written) | nodes.Name(text=written):
                assert slice_ == written
            case nodes.EnumConstant(name=constant):
                assert slice_ == f".{constant}"
            case nodes.Number(value=value):
                assert float(slice_) == value
            case nodes.Text(block=block):
                quotes = '"""' if block else '"'
                assert slice_.startswith(quotes) and slice_.endswith(quotes)
            case nodes.Call(function=function) | nodes.Aggregate(function=function):
                written = function if isinstance(function, str) else function.text
                assert slice_.startswith(written) and slice_.endswith(")")
            case nodes.Rule() | nodes.Forbid() | nodes.ExpectFact() | nodes.ExpectValue():
                assert slice_.endswith(";")
            case nodes.Kb() | nodes.Task() | nodes.Evaluate() | nodes.Test():
                assert slice_.endswith("}")
        assert slice_ == slice_.strip() or isinstance(node, nodes.File)


def test_a_child_lies_in_its_parent_and_siblings_do_not_overlap(sample: tuple[str, str]) -> None:
    name, text = sample
    for node in walk(parse_file(name, text).file):
        for child in walk(node):
            assert node.span.start <= child.span.start <= child.span.end <= node.span.end


def test_the_text_of_a_declaration_parses_to_it(sample: tuple[str, str]) -> None:
    name, text = sample
    for declaration in parse_file(name, text).file.declarations:
        alone = "nesy 1 " + text[declaration.span.start : declaration.span.end]
        parsed = parse_file("alone.nesy", alone)
        assert parsed.diagnostics == ()
        assert without_spans(parsed.file.declarations) == (without_spans(declaration),)


def test_the_text_of_a_kb_item_parses_to_it(sample_text: str) -> None:
    for item in kb_items(parse_file("kinship.nesy", sample_text).file):
        alone = "nesy 1 fragment of family " + sample_text[item.span.start : item.span.end]
        parsed = parse_file("alone.nesy", alone)
        assert parsed.diagnostics == ()
        assert without_spans(parsed.file.fragment_items) == (without_spans(item),)


def test_brackets_belong_to_what_stands_around_them() -> None:
    text = "nesy 1 param x: int = (1 + b) * ((c))"
    (param,) = parse_file("a.nesy", text).file.declarations
    assert isinstance(param, nodes.Param) and isinstance(param.value, nodes.Binary)
    spans = {type(node).__name__: text[node.span.start : node.span.end] for node in walk(param.value)}
    assert text[param.value.span.start : param.value.span.end] == "(1 + b) * ((c))"
    assert text[param.value.left.span.start : param.value.left.span.end] == "1 + b"
    assert spans["Name"] == "c"
