"""What may stand in the items of a knowledge base, and wherever else relations are spoken about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nesyc.checks.annotations import ANNOTATIONS, STATUSES
from nesyc.checks.function_types import FUNCTION_TYPES
from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.scope import ColumnInfo
from nesyc.checks.signatures import CALLS, FACT_LOADERS, TEXT_FUNCTIONS
from nesyc.checks.tables import Tables
from nesyc.checks.terms import TESTS
from nesyc.checks.types import BASES, Type
from nesyc.parsing.expected import RESERVED
from nesyc.parsing.expressions import AGGREGATES
from nesyc.parsing.lexer import Token
from nesyc.server.complete.context import Context, Frame
from nesyc.server.complete.proposal import Proposal, call, names, relation_call

RULES = frozenset({"RULE", "FORBID"})


def kb_of(context: Context, tables: Tables) -> KbInfo | None:
    """The KB that the cursor's declaration speaks about: its own, a fragment's, a test's, the only one."""
    kbs = tables.symbols.kbs
    if context.kind == "KB" and not context.fragment:
        return kbs.get(context.word_at(1))
    if context.kind == "TEST":
        for place, token in enumerate(context.tokens[:4]):
            if token.kind == "FOR" and context.word_at(place + 1) in kbs:
                return kbs[context.word_at(place + 1)]
    return next(iter(kbs.values())) if len(kbs) == 1 else None


def rule_proposals(context: Context, kb: KbInfo) -> Iterator[Proposal]:
    """The head and the body of a rule or constraint."""
    item = context.item_tokens
    kinds = [token.kind for token in item]
    head_done = "IMPLIES" in kinds or "FORBID" in kinds
    if not head_done:
        if "COLON" in kinds and not context.inner:
            derived = (relation for relation in kb.scope.relations.values() if relation.derived)
            yield from (relation_call(relation) for relation in derived)
        elif context.inner:
            yield from variables(item, order=3)
        return
    if "COLON" not in kinds:
        return
    inner = context.inner[-1] if context.inner else None
    if inner is not None and inner.head in kb.scope.relations:
        yield from argument_proposals(context, kb, inner)
        return
    yield from literal_proposals(context, kb)


def literal_proposals(context: Context, kb: KbInfo) -> Iterator[Proposal]:
    """Where a literal begins, or a side of a comparison."""
    for relation in kb.scope.relations.values():
        yield relation_call(relation)
    yield from (Proposal(name, "function", "test", f"{name}($1)", order=6) for name in sorted(TESTS))
    yield from variables(context.item_tokens, order=4)
    before = context.before
    if before is not None and before.kind in (
        "EQUAL",
        "SAME",
        "DIFFERENT",
        "ORDER",
        "PLUS",
        "MINUS",
        "STAR",
        "SLASH",
        "PERCENT",
    ):
        for name in AGGREGATES:
            yield Proposal(name, "function", "aggregate", f"{name}(${{1:x}}: $2)", order=4)
        yield from (call(CALLS[name], order=4) for name in TEXT_FUNCTIONS)
        type_ = compared_type(context, kb)
        if type_ is not None:
            yield from typed_constants(kb, type_)
    elif context.inner and context.inner[-1].head in FUNCTION_TYPES:
        yield from (call(CALLS[name], order=6) for name in TEXT_FUNCTIONS)


def argument_proposals(context: Context, kb: KbInfo, frame: Frame) -> Iterator[Proposal]:
    """An argument of a relation: variables of its column's type first, then the enum's constants."""
    column = column_at(kb, frame)
    wanted = column.type if column else None
    types = variable_types(context.item_tokens, kb)
    for proposal in variables(context.item_tokens, order=4):
        known = types.get(proposal.label)
        fits = wanted is not None and known is not None and known.required() == wanted.required()
        yield Proposal(proposal.label, "variable", str(known or ""), order=1 if fits else 4)
    if column is not None:
        yield Proposal(column.name, "variable", f"new variable: {column.type}", order=3)
        yield from typed_constants(kb, column.type)
    yield Proposal("_", "keyword", "anything", order=6)


def typed_constants(kb: KbInfo, type_: Type, order: int = 2) -> Iterator[Proposal]:
    enum = kb.scope.enums.get(type_.enum or "")
    if enum is not None:
        yield from names("constant", (f".{name}" for name in enum.constants), enum.name, order)
    elif type_.base == "bool":
        yield from names("keyword", ("true", "false"), order=order)


def column_at(kb: KbInfo, frame: Frame) -> ColumnInfo | None:
    relation = kb.scope.relations.get(frame.head)
    if relation is None or frame.argument >= len(relation.columns):
        return None
    return relation.columns[frame.argument]


def variables(item: Sequence[Token], order: int) -> Iterator[Proposal]:
    """The names that stand as variables in the item so far."""
    begin = next((place for place, token in enumerate(item) if token.kind == "COLON"), len(item))
    found: dict[str, None] = {}
    for place in range(begin + 1, len(item)):
        token = item[place]
        called = place + 1 < len(item) and item[place + 1].kind == "LPAR"
        word = token.text[0].isalpha() or token.text[0] == "_"
        if word and not called and item[place - 1].kind != "DOT" and token.kind not in RESERVED:
            found[token.text] = None
    return names("variable", found, order=order)


def variable_types(item: Sequence[Token], kb: KbInfo) -> dict[str, Type]:
    """The types of variables by the columns they stand in, read off the tokens."""
    found: dict[str, Type] = {}
    for place, token in enumerate(item):
        relation = kb.scope.relations.get(token.text)
        if relation is None or place + 1 >= len(item) or item[place + 1].kind != "LPAR":
            continue
        argument, at = 0, place + 2
        while at < len(item) and item[at].kind not in ("RPAR", "LPAR") and argument < len(relation.columns):
            alone = at + 1 >= len(item) or item[at + 1].kind in ("COMMA", "RPAR")
            if item[at].kind == "COMMA":
                argument += 1
            elif alone and item[at - 1].kind in ("COMMA", "LPAR"):
                found.setdefault(item[at].text, relation.columns[argument].type)
            at += 1
    return found


def compared_type(context: Context, kb: KbInfo) -> Type | None:
    """The type of what stands before the comparison at the cursor."""
    item = context.item_tokens
    place = len(item) - 1
    if place >= 0 and item[place].kind == "DOT":
        place -= 1
    if place >= 1 and item[place].kind in ("EQUAL", "SAME", "DIFFERENT"):
        return variable_types(item, kb).get(item[place - 1].text)
    return None


def relation_proposals(context: Context, tables: Tables, kb: KbInfo | None) -> Iterator[Proposal]:
    """The columns and options of a relation."""
    item, before = context.item_tokens, context.before
    inner = context.inner[-1] if context.inner else None
    columns = _columns(item)
    if inner is None or before is None:
        return
    if context.tokens[inner.opener].kind == "LBRACE":
        if before.kind == "RESOLVE":
            yield Proposal("highest_conf", "constant", "the most confident row wins")
        elif before.kind == "PROVENANCE":
            yield from names("constant", ("required", "optional"))
        return
    if inner.head in ("key", "index", "fulltext", "unique"):
        yield from names("field", columns, "column")
    elif inner.head == "nearest":
        yield from (
            names("field", columns, "column")
            if inner.argument == 0
            else names("constant", ("cosine", "dot", "l2"))
        )
    elif inner.head == "embed":
        found = (
            names("name", tables.symbols.embedders, "embedder")
            if inner.argument == 0
            else names("field", columns)
        )
        yield from found
    else:
        yield from column_proposals(context, tables, kb)


def _columns(item: Sequence[Token]) -> list[str]:
    return [item[place - 1].text for place, token in enumerate(item) if token.kind == "COLON" and place]


def column_proposals(context: Context, tables: Tables, kb: KbInfo | None) -> Iterator[Proposal]:
    """Within the brackets of columns: a type, a foreign key, how it is computed."""
    before = context.before
    if before is None:
        return
    if before.kind == "COLON":
        yield from type_proposals(tables)
    elif before.kind == "ARROW" and kb is not None:
        yield from names("relation", kb.nodes, "relation")
    elif before.kind == "EQUAL":
        yield call(CALLS["embed"])


def type_proposals(tables: Tables) -> Iterator[Proposal]:
    """The types there are."""
    for name in BASES:
        yield Proposal(name, "type", "type", "vector(${1:384})" if name == "vector" else "")
    yield from names("type", tables.symbols.enums, "enum", order=3)


def facts_proposals(context: Context, kb: KbInfo) -> Iterator[Proposal]:
    """The relation of a block of facts, its loader, its rows' values."""
    before = context.before
    item = context.item_tokens
    if before is not None and before.kind == "FACTS":
        stored = (name for name, relation in kb.scope.relations.items() if not relation.derived)
        yield from names("relation", stored, "stored relation")
    elif before is not None and before.kind == "FROM":
        yield from (call(CALLS[f"facts.{name}"]) for name in FACT_LOADERS)
    elif len(item) > 1 and len(context.inner) > 1:
        frame = context.inner[-1]
        column = column_at(kb, Frame(0, item[1].text, frame.argument, None, (), 0))
        if column is not None:
            yield from typed_constants(kb, column.type)


def annotation_proposals(context: Context, tables: Tables) -> Iterator[Proposal]:
    """`@learned(by = big)`, `@status(accepted)`"""
    if context.before is not None and context.before.text == "@":
        yield from names("keyword", ANNOTATIONS, "annotation")
        return
    frame = context.inner[-1] if context.inner else None
    if frame is None:
        return
    if frame.head == "status" and frame.argument == 0:
        yield from names("constant", STATUSES)
    elif frame.head == "learned" and frame.name == "by":
        yield from names("name", tables.symbols.teachers, "teacher")
