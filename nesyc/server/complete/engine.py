"""Puts the proposals together: keywords by the grammar's tables, names by where the cursor stands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from nesyc.checks.kinds import AnyOf, Choice, ListOf
from nesyc.checks.methods import METHOD_KINDS, METHOD_SCALARS
from nesyc.checks.signatures import BLOCKS, TRAINING_TASKS
from nesyc.checks.tables import Tables
from nesyc.diagnostics.codes import CODES
from nesyc.parsing.expected import without_plain_words
from nesyc.parsing.expressions import AGGREGATES
from nesyc.parsing.lalr import accepted
from nesyc.parsing.lexer import END
from nesyc.parsing.tables import load_tables
from nesyc.server.complete.context import Context, find_context
from nesyc.server.complete.knowledge import (
    annotation_proposals,
    column_at,
    compared_type,
    facts_proposals,
    kb_of,
    relation_proposals,
    rule_proposals,
    type_proposals,
    typed_constants,
)
from nesyc.server.complete.proposal import Proposal, names
from nesyc.server.complete.tasks import (
    evaluate_proposals,
    item_enum,
    raw_proposals,
    task_of,
    task_proposals,
    test_proposals,
)
from nesyc.server.complete.values import find_slot, value_proposals

BODIES = {
    "kb": "kb ${1:name} {\n  $0\n}", "task": "task ${1:name} on ${2:dataset} {\n  $0\n}",
    "dataset": "dataset ${1:name} {\n  $0\n}", "teacher": "teacher ${1:name} {\n  endpoint = $0\n}",
    "student": "student ${1:name} {\n  base = $0\n}", "enum": "enum ${1:Name} { $0 }",
    "embedder": "embedder ${1:name} { base = $2, dim = ${3:384} }", "param": "param ${1:name}: ${2:int} = $0",
    "retrieve": "retrieve ${1:name} for ${2:task} from ${3:kb} {\n  $0\n}",
    "pipeline": "pipeline ${1:name} for ${2:task} {\n  $0\n}", "method": "method ${1:name}($2) {\n  $0\n}",
    "answer": "answer ${1:task} with ${2:model} {\n  $0\n}", "include": 'include "$0"',
    "evaluate": "evaluate ${1:name} of ${2:model} on ${3:split} {\n  $0\n}",
    "test": 'test "${1:name}" for ${2:kb} {\n  expect $0;\n}', "allow": 'allow(${1:W0401}, "${2:reason}")',
    "rule": "rule ${1:name}: $0 :- ;", "forbid": "forbid ${1:name}: $0;", "stage": "stage ${1:name} = $0",
    "relation": "relation ${1:name}($0)", "derived": "derived ${1:name}($0)", "say": 'say ${1:relation} = "$0"',
    "split": "split ${1:name} = $0", "row": "row ($0)", "input": "input ($0)", "output": "output ($0)",
    "expect": "expect $0;", "prompt": 'prompt = """\n    $0\n    """',
}  # fmt: skip
"""What is written for a keyword that begins an item."""


def complete(text: str, offset: int, tables: Tables, folder: Path) -> tuple[int, list[Proposal]]:
    """Where the word at the cursor begins, and what may stand there, the likeliest first.

    `folder` is the file's, for the paths of includes.
    """
    context = find_context(text, offset)
    if context is None:
        return offset, []
    if context.inside is not None:
        return _in_string(text, offset, context, tables, folder)
    start = context.start
    dot = context.before is not None and context.before.kind == "DOT"
    if dot and context.before is not None and not context.path_before_dot():
        start = context.before.start
    unique: dict[str, Proposal] = {}
    for proposal in _proposals(context, tables, dot):
        known = unique.get(proposal.label)
        if known is None or proposal.order < known.order:
            unique[proposal.label] = proposal
    return start, sorted(unique.values(), key=lambda one: (one.order, one.label))


def _proposals(context: Context, tables: Tables, dot: bool) -> Iterator[Proposal]:
    path = context.path_before_dot() if dot else ()
    if path:
        yield from _members(context, tables, path)
        return
    if dot:
        yield from _constants(context, tables)
        return
    yield from _names(context, tables)
    yield from _keywords(context)


# --- keywords ------------------------------------------------------------------------------------


def _keywords(context: Context) -> Iterator[Proposal]:
    item = context.item_tokens
    start = context.block.start if context.block is not None else "declaration"
    if context.kind == "FRAGMENT":
        return
    if not item:
        yield from _beginnings(context, start)
        return
    tables = load_tables()
    possible = accepted(tables, start, item)
    ended = END in possible
    if "NAME" in possible:
        possible = without_plain_words(possible, tables)
    yield from names("keyword", _apt(context, _words(possible)), order=5)
    if ended and not context.inner:
        yield from _beginnings(context, start)


def _apt(context: Context, words: Iterable[str]) -> Iterator[str]:
    """Leave out constants, which come with the types they fit, and `not` where no condition begins."""
    negation = _condition(context)
    return (word for word in words if word not in ("true", "false", "null") and (word != "not" or negation))


def _condition(context: Context) -> bool:
    """Whether a literal of a body, or a condition of an expression, begins at the cursor."""
    item, before = context.item_tokens, context.before
    if not item or before is None:
        return False
    inner = context.inner[-1].head if context.inner else ""
    if item[0].kind in ("METRIC", "REQUIRE") or item[0].text == "where":
        return before.kind in ("LPAR", "AND", "OR", "EQUAL", "REQUIRE")
    if before.kind in ("IMPLIES", "EXPECT"):
        return True
    if before.kind == "COLON":
        return "FORBID" in [token.kind for token in item] or inner in AGGREGATES
    body = any(token.kind in ("IMPLIES", "FORBID") for token in item)
    return body and (inner == "or" or not inner) and before.kind in ("COMMA", "LPAR")


def _beginnings(context: Context, start: str) -> Iterator[Proposal]:
    tables = load_tables()
    possible = accepted(tables, start, ())
    if "NAME" in possible:
        possible = without_plain_words(possible, tables)
    if context.kind == "" and not context.tokens:
        yield Proposal("nesy 1", "keyword", "the edition", order=6)
        yield Proposal("fragment", "keyword", "rules and facts for one kb", "fragment of ${1:kb}", order=6)
    for word in _words(possible):
        yield Proposal(word, "keyword", "", BODIES.get(word, ""), order=4)
    signature = (
        BLOCKS.get(context.kind.lower()) if context.block is not None and context.block.settings else None
    )
    given = context.settings_given()
    for parameter in signature.parameters if signature else ():
        if parameter.name not in given:
            yield Proposal(parameter.name, "property", "setting", f"{parameter.name} = ", order=3)


def _words(possible: Iterable[str]) -> list[str]:
    kinds = set(possible)
    return sorted(word for word, kind in load_tables().words.items() if kind in kinds and word[0].isalpha())


# --- names ---------------------------------------------------------------------------------------


def _names(context: Context, tables: Tables) -> Iterator[Proposal]:
    if context.block is None:
        yield from _head(context, tables)
        return
    item = context.item_tokens
    if not item:
        return
    slot = find_slot(context, tables)
    if slot is not None:
        yield from value_proposals(context, tables, slot)
        yield from raw_proposals(context, tables, slot)
        if context.kind != "TASK":
            return
    match context.kind:
        case "KB":
            yield from _kb_item(context, tables)
        case "TASK":
            yield from task_proposals(context, tables, task_of(context, tables))
        case "DATASET" if context.before is not None and context.before.kind == "COLON":
            yield from type_proposals(tables)
        case "EVALUATE":
            yield from evaluate_proposals(context, tables)
        case "TEST":
            yield from test_proposals(context, tables)
            if item[0].kind == "GIVEN":
                yield from _kb_item(context, tables)
        case _:
            return


def _kb_item(context: Context, tables: Tables) -> Iterator[Proposal]:
    kb, item = kb_of(context, tables), context.item_tokens
    kinds = [token.kind for token in item]
    if item[0].text == "@":
        begun = next((kind for kind in kinds if kind in ("RULE", "FORBID", "FACTS")), "")
        if not begun:
            yield from annotation_proposals(context, tables)
            return
    else:
        begun = kinds[1] if kinds[0] == "GIVEN" and len(kinds) > 1 else kinds[0]
    if begun in ("RELATION", "DERIVED"):
        yield from relation_proposals(context, tables, kb)
    elif kb is None:
        return
    elif begun in ("RULE", "FORBID"):
        yield from rule_proposals(context, kb)
    elif begun == "FACTS":
        yield from facts_proposals(context, kb)
    elif begun == "SAY" and kinds[-1] == "SAY":
        yield from names("relation", (name for name in kb.nodes if name not in kb.says), "relation")
    elif begun == "ALLOW" and kinds[-1] == "LPAR":
        yield from _warnings()


def _warnings() -> Iterator[Proposal]:
    for code in CODES.values():
        if code.code.startswith("W"):
            yield Proposal(code.code, "code", code.title)


def _head(context: Context, tables: Tables) -> Iterator[Proposal]:
    """The head of a declaration: what it is on, of, for, from, with."""
    symbols, before = tables.symbols, context.before
    if before is None:
        return
    match context.kind, before.kind:
        case "TASK", "ON":
            yield from names("name", symbols.datasets, "dataset")
        case "EVALUATE", "ON":
            yield from names("name", symbols.table["split"], "split")
        case (("RETRIEVE" | "PIPELINE"), "FOR"):
            yield from names("name", symbols.tasks, "task")
        case ("RETRIEVE", "FROM") | ("FRAGMENT", "OF"):
            yield from names("name", symbols.kbs, "kb")
        case "ANSWER", "ANSWER":
            yield from names("name", symbols.tasks, "task")
        case ("ANSWER", "WITH") | ("EVALUATE", "OF"):
            models = (one.id for one in symbols.table["stage"].values() if one.kind == "model")
            yield from names("name", (*models, *symbols.students), "model")
        case "TEST", "FOR":
            yield from names("name", (*symbols.kbs, *symbols.tasks), "kb or task")
        case "PARAM", "COLON":
            yield from type_proposals(tables)
        case "METHOD", "COLON":
            yield from names("type", METHOD_KINDS, "kind", 3)
            yield from names("type", METHOD_SCALARS, "type", 4)
        case "ALLOW", "LPAR":
            yield from _warnings()
        case _:
            slot = find_slot(context, tables)
            if slot is not None:
                yield from value_proposals(context, tables, slot)


# --- after a dot ---------------------------------------------------------------------------------


def _members(context: Context, tables: Tables, path: tuple[str, ...]) -> Iterator[Proposal]:
    symbols = tables.symbols
    owner = ".".join(path)
    for kind in ("split", "stage", "relation"):
        for identity, symbol in symbols.table[kind].items():
            if identity.startswith(f"{owner}."):
                detail = f"stage, gives {symbol.kind}" if symbol.is_stage else kind
                yield Proposal(identity[len(owner) + 1 :], "name", detail)
    for kb in symbols.kbs.values():
        relation = kb.scope.relations.get(path[-1])
        if relation is not None and (len(path) == 1 or path[0] == kb.name):
            for column in relation.columns:
                yield Proposal(column.name, "field", f"{column.type}")
    task = task_of(context, tables)
    if path == ("row",) and task is not None:
        for name, type_ in task.rows.items():
            yield Proposal(name, "field", f"{type_}")
    if (
        context.kind == "EVALUATE"
        and (owner in symbols.table["stage"] or owner in symbols.students)
        and task is not None
    ):
        yield from names("property", (metric.name.text for metric in task.node.metrics), "metric")


def _constants(context: Context, tables: Tables) -> Iterator[Proposal]:
    """`.word`: of the enum or the choice meant; of every enum where nothing says which."""
    found = list(_expected_constants(context, tables))
    if not found:
        for enum in tables.symbols.enums.values():
            found.extend(names("constant", (f".{name}" for name in enum.constants), enum.name))
    yield from found


def _expected_constants(context: Context, tables: Tables) -> Iterator[Proposal]:
    item = context.item_tokens
    if item and item[0].kind == "PROMPT" and len(item) == 2:
        yield from names("constant", (f".{name}" for name in TRAINING_TASKS), "training task")
        return
    slot = find_slot(context, tables)
    if slot is not None and slot.kind is not None:
        kinds = slot.kind.kinds if isinstance(slot.kind, AnyOf) else (slot.kind,)
        choices = [one.item if isinstance(one, ListOf) else one for one in kinds]
        for choice in choices:
            if isinstance(choice, Choice):
                yield from names("constant", (f".{word}" for word in choice.words))
        if context.kind == "PARAM":
            yield from (one for one in value_proposals(context, tables, slot) if one.kind == "constant")
    enum = item_enum(context, tables)
    if enum is not None:
        yield from names("constant", (f".{name}" for name in enum.constants), enum.name)
        return
    kb = kb_of(context, tables)
    if kb is None or context.kind not in ("KB", "TEST", "TASK"):
        return
    inner = context.inner[-1] if context.inner else None
    column = column_at(kb, inner) if inner is not None else None
    if column is None and item and any(token.kind == "FACTS" for token in item[:4]) and inner is not None:
        yield from facts_proposals(context, kb)
    type_ = column.type if column is not None else compared_type(context, kb)
    if type_ is not None:
        yield from typed_constants(kb, type_)


# --- in strings ----------------------------------------------------------------------------------


def _in_string(
    text: str, offset: int, context: Context, tables: Tables, folder: Path
) -> tuple[int, list[Proposal]]:
    """Holes of prompts and sentences, paths of includes."""
    assert context.inside is not None
    before = text[context.inside.start : offset]
    item = context.item_tokens or context.tokens
    first = item[0].kind if item else ""
    if first == "INCLUDE":
        return context.inside.start + 1, list(_paths(folder, before[1:]))
    opened = before.rpartition("{")
    if not opened[1] or not all(character.isalnum() or character == "_" for character in opened[2]):
        return offset, []
    start = offset - len(opened[2])
    return start, list(_holes(context, tables, first))


def _holes(context: Context, tables: Tables, first: str) -> Iterator[Proposal]:
    if first == "PROMPT" and context.kind == "TASK":
        task = task_of(context, tables)
        for name, type_ in task.inputs.items() if task is not None else ():
            yield Proposal(name, "field", f"input: {type_}")
        yield Proposal("retrieved", "field", "what `retrieve` finds; its line vanishes when empty")
    kb = kb_of(context, tables)
    if first == "SAY" and kb is not None and len(context.item_tokens) > 1:
        relation = kb.scope.relations.get(context.item_tokens[1].text)
        for column in relation.columns if relation else ():
            yield Proposal(column.name, "field", f"column: {column.type}")


def _paths(folder: Path, typed: str) -> Iterator[Proposal]:
    """The .nesy files and the folders beside what is typed so far."""
    base, _, _ = typed.rpartition("/")
    if base.startswith("@") or ".." in base.split("/") or "\0" in base:
        return
    try:
        entries = sorted(os.scandir(folder / base), key=lambda entry: entry.name)
    except OSError:
        return
    prefix = f"{base}/" if base else ""
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield Proposal(f"{prefix}{entry.name}/", "file", "folder", order=6)
        elif entry.name.endswith(".nesy"):
            yield Proposal(f"{prefix}{entry.name}", "file")
