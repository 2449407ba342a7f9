"""Retrieval: queries over inputs, searches over indexed columns, filters over what is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nesyc.checks.items import ItemName, ItemTypes
from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.kinds import POISON, Bound
from nesyc.checks.messages import unknown_name
from nesyc.checks.references import dotted
from nesyc.checks.scope import RelationInfo
from nesyc.checks.tables import Tables
from nesyc.checks.types import NUMBER, TEXT, Type
from nesyc.diagnostics import Diagnostic, Help, Related, counted
from nesyc.syntax import nodes as ast

IMPLICIT = {
    "conf": NUMBER,
    "status": Type("enum", enum="status"),
    "origin": Type("enum", enum="origin"),
    "owner": TEXT,
}
QUESTION = {"query": TEXT}  # in a filter: what is searched for


@dataclass(frozen=True, slots=True)
class SearchTarget:
    """A relation and its column; `column` None: the sentences of `say`."""

    kind: str
    relation: RelationInfo
    column: str | None
    node: ast.Expr


def search_targets(bound: Bound) -> Iterator[tuple[str, ast.Expr]]:
    """(fulltext or nearest, expression) of each target of a search."""
    if bound.name != "hybrid":
        yield from ((bound.name, expr) for expr in bound.rest)
        return
    for kind in ("fulltext", "nearest"):
        value = bound[kind]
        if value is POISON:
            continue
        items = value.items if isinstance(value, (ast.ListOf, ast.TupleOf)) else (value,)
        yield from ((kind, expr) for expr in items)


def find_target(kb: KbInfo, kind: str, expr: ast.Expr) -> SearchTarget | Diagnostic:
    """What `lesson.body`, `family.lesson.body` or a bare relation with `say` names."""
    path = dotted(expr)
    if path is None:
        message = "a search names columns, such as `lesson.body`"
        return Diagnostic("E0308", message, expr.span, "no column")
    if path[0] == kb.name and len(path) > 1 and path[0] not in kb.scope.relations:
        path = path[1:]
    relation = kb.scope.relations.get(path[0])
    if relation is None:
        first = expr
        while isinstance(first, ast.Member):
            first = first.of
        return unknown_name(f"relation of kb `{kb.name}`", path[0], first.span, kb.scope.relations)
    if len(path) == 1:
        return SearchTarget(kind, relation, None, expr)
    if len(path) > 2 or relation.column(path[1]) is None:
        span = expr.name.span if isinstance(expr, ast.Member) else expr.span
        return unknown_name(f"column of `{relation.name}`", path[1], span, relation.column_names)
    return SearchTarget(kind, relation, path[1], expr)


def check_retrieves(tables: Tables) -> Iterator[Diagnostic]:
    """E0201, E0302, E0304, E0308 and E0606."""
    for name, node in tables.symbols.retrieves.items():
        bound = tables.blocks["retrieve", name]
        kb = tables.symbols.kbs.get(node.kb.text)
        yield from _check_query(tables, node, bound)
        search = bound["search"]
        if kb is None or not isinstance(search, Bound):
            continue
        targets = []
        for kind, expr in search_targets(search):
            target = find_target(kb, kind, expr)
            if isinstance(target, Diagnostic):
                yield target
            else:
                targets.append(target)
                yield from _check_indexed(kb, target)
        yield from _check_search(search, len(list(search_targets(search))))
        if bound["where"] is not None and targets:
            yield from _check_where(tables, kb, bound["where"], targets)


def _check_query(tables: Tables, node: ast.Retrieve, bound: Bound) -> Iterator[Diagnostic]:
    task, query = tables.tasks.get(node.task.text), bound["query"]
    if task is None or query is POISON:
        return
    items = ItemTypes(task.input_name, task.inputs, tables.symbols.enums, tables.params, noun="input")
    type_ = items.type_of(query)
    yield from items.problems
    if type_.base not in ("text", "enum", "unknown"):
        message = f"a query is text, this is {type_}"
        yield Diagnostic("E0302", message, query.span, f"this is {type_}", help=Help("write `concat(...)`"))


def _check_indexed(kb: KbInfo, target: SearchTarget) -> Iterator[Diagnostic]:
    relation, column = target.relation, target.column
    related = (Related(relation.span, "declared here"),) if relation.span else ()
    span = target.node.span
    if column is None:
        if target.kind == "nearest":
            message = "`nearest` searches a vector column"
            yield Diagnostic("E0606", message, span, "no column", related)
        elif relation.name not in kb.says:
            message = f"`{relation.name}` has no sentence to search"
            help_ = Help(f'add `say {relation.name} = "..."`, or name a column with a full-text index')
            yield Diagnostic("E0606", message, span, "no `say`", related, help=help_)
    elif target.kind == "fulltext" and column not in relation.fulltext:
        message = f"`{relation.name}.{column}` has no full-text index"
        help_ = Help(f"add `fulltext ({column})` to relation `{relation.name}`")
        yield Diagnostic("E0606", message, span, "not indexed", related, help=help_)
    elif target.kind == "nearest" and column != relation.nearest:
        message = f"`{relation.name}.{column}` has no vector index"
        help_ = Help(f"add `nearest ({column}, cosine)` to relation `{relation.name}`")
        yield Diagnostic("E0606", message, span, "not indexed", related, help=help_)
    elif target.kind == "nearest" and (own := relation.column(column)) is not None and not own.computed:
        message = f"`{relation.name}.{column}` holds given vectors: no embedder turns a question into one"
        help_ = Help(f"let an embedder fill it:  {column}: {own.type} = embed(EMBEDDER, COLUMN)")
        yield Diagnostic("E0606", message, span, "no embedder", related, help=help_)


def _check_search(search: Bound, count: int) -> Iterator[Diagnostic]:
    if count == 0 and search.name != "hybrid":
        message = f"`{search.name}` names what to search"
        yield Diagnostic(
            "E0308", message, search.span, "nothing to search", help=Help("write `fulltext(lesson.body)`")
        )
    weights = search.values.get("weights")
    if isinstance(weights, tuple) and len(weights) != count:
        message = f"{counted(len(weights), 'weight')} for {counted(count, 'search', 'searches')}"
        yield Diagnostic("E0308", message, search.span_of("weights"), "one weight for each search")


def hit_name(targets: list[SearchTarget], path: tuple[str, ...]) -> ItemName | None:
    """In a filter: a column of what is searched, one of the implicit columns, or the query."""
    relations = {target.relation.name: target.relation for target in targets}
    named = any(relation.column(path[0]) is not None for relation in relations.values())
    if len(path) == 1 and path[0] in QUESTION and not named:
        return ItemName("question", path[0], QUESTION[path[0]])
    if len(path) == 2 and path[0] in relations:
        relations, path = {path[0]: relations[path[0]]}, path[1:]
    if len(path) != 1:
        return None
    for relation in relations.values():
        column = relation.column(path[0])
        if column is not None:
            return ItemName("hit", path[0], column.type)
    return ItemName("hit", path[0], IMPLICIT[path[0]]) if path[0] in IMPLICIT else None


def _check_where(
    tables: Tables, kb: KbInfo, where: ast.Expr, targets: list[SearchTarget]
) -> Iterator[Diagnostic]:
    columns = [name for target in targets for name in target.relation.column_names]
    items = ItemTypes(
        lambda path: hit_name(targets, path),
        (*columns, *IMPLICIT, *QUESTION),
        tables.symbols.enums,
        tables.params,
        noun="column",
        relations=kb.scope.relations,
    )
    type_ = items.type_of(where)
    yield from items.problems
    if type_.base not in ("bool", "unknown"):
        yield Diagnostic("E0302", f"a filter is a condition, this is {type_}", where.span, f"this is {type_}")
