"""Keywords are soft: each of them names anything that a name can name."""

from __future__ import annotations

import pytest

from nesyc.parsing import parse_file
from nesyc.parsing.tables import load_tables
from nesyc.syntax import nodes
from tests.parsing.trees import walk

RESERVED = {"and", "or", "not", "true", "false", "null"}
KEYWORDS = sorted(word for word in load_tables().words if word.isalpha() and word not in RESERVED)
# `{}` is the keyword; each place takes any name.
PLACES = {
    "param": "param {}: text = {}",
    "enum": "enum {} {{ {} other {}, last }}",
    "blocks": "teacher {} {{ }} student {} {{ }} embedder {} {{ }}",
    "setting": "student s {{ {} = 1, a = {}, {} = f({} = {}) }}",
    "map": "student s {{ options = {{ {} = {}, a = 1 }} }}",
    "dataset": "dataset {} {{ row ({}: {} key, {}: text -> {} = {}) split {} = jsonl({}.{}) {} = 1 }}",
    "columns": "kb {} {{ relation {}({}: text, a: {}?) {{ key ({}) index ({}) fulltext (a, {}) nearest ({}, {}) }} }}",
    "options": 'kb k {{ derived {}({}: int key) {{ unique ({}) resolve {} provenance {} }} say {} = "x" }}',
    "facts": 'kb k {{ facts {} {{ (.{}, {}) 0.5 (a) }} facts {} from {}("a") {} = 1 }}',
    "rules": "kb k {{ rule {}: {}({}) :- {}({}, _), not {}({}), {} != {}, {} = count({}: {}({})); forbid {}: {}({}); }}",
    "confident": "kb k {{ rule {} 0.9: {}({}) :- {}(x); forbid {} at 0.9: {}(x); }}",
    "annotation": "kb k {{ @{}({}, {} = {}) @{} rule {}: {}(x) :- {}(x); }}",
    "task": "task {} on {} {{ input ({}: {}) output ({}: text) parse {} = {}({}) as {} claim {}({}, {}.{}) }}",
    "prompt": 'task t {{ prompt .{} = "x" metric {} = mean({} == {}) group {} }}',
    "retrieve": "retrieve {} for {} from {} {{ where = {} != .{} and {} >= 0.6 {} = 3 }}",
    "method": "method {}({}: {} = {}, b: {}) {{ stage {} = {}({} = {}, data = {} + {}) }}",
    "pipeline": "pipeline {} for {} {{ stage {} = f(a = {}.{}) }} pipeline {} for {} = {}({} = {})",
    "use": "answer {} with {}.{} {{ {} = 1 }} evaluate {} of {}.{} on {}.{} {{ require {} >= {}.{} }}",
    "test": 'test "x" for {} {{ given rule {}: {}({}) :- {}(x); expect {}({}) by {}; expect not {}(a); expect {}(x) == .{}; }}',
    "allow": 'allow({}, "x")',
}
# Where a word would be taken as what continues or follows the item before, it is no key of a setting.
GUARDED = {
    "as", "compare", "group", "prompt", "report", "require", "with"
}  # fmt: skip
GUARDED_PLACES = {
    "task": "task t {{ {} = 1 }}",
    "evaluate": "evaluate e of m on s {{ {} = 1 report {}, {} compare {}, {}.a }}",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("word", KEYWORDS)
def test_a_keyword_is_a_name(word: str, place: str) -> None:
    _check(word, PLACES[place])


@pytest.mark.parametrize("place", GUARDED_PLACES)
@pytest.mark.parametrize("word", [word for word in KEYWORDS if word not in GUARDED])
def test_a_keyword_is_a_key(word: str, place: str) -> None:
    _check(word, GUARDED_PLACES[place])


def _check(word: str, template: str) -> None:
    text = "nesy 1 " + template.replace("{}", word).replace("{{", "{").replace("}}", "}")
    parsed = parse_file("a.nesy", text)
    assert parsed.diagnostics == (), (text, parsed.diagnostics[0].message)
    found = [
        node
        for node in walk(parsed.file)
        if (isinstance(node, (nodes.Ident, nodes.Name)) and node.text == word)
        or (isinstance(node, nodes.EnumConstant) and node.name == word)
    ]
    assert len(found) == template.count("{}") - template.count("{{}}")


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_reserved_word_is_no_name_and_says_so(word: str) -> None:
    (found,) = parse_file("a.nesy", f"nesy 1 enum Kin {{ father {word} }}").diagnostics
    assert found.code == "E0101" and found.notes == (f"`{word}` is a reserved word and names nothing",)
