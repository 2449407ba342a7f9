"""Relations: keys, foreign keys, vector columns, sentences."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.kinds import POISON, Bound, Symbol
from nesyc.checks.messages import did_you_mean, unknown_name
from nesyc.checks.scope import RelationInfo
from nesyc.checks.signatures import CALLS
from nesyc.checks.tables import Tables
from nesyc.checks.templates import holes
from nesyc.checks.types import compatible
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


def check_schema(tables: Tables) -> Iterator[Diagnostic]:
    """E0201, E0204 in `say`, E0302, E0306, E0308, E0501 and E0502 of the relations of every KB."""
    for kb in tables.symbols.kbs.values():
        for name, node in kb.nodes.items():
            relation = kb.scope.relations[name]
            yield from _check_key(relation, node)
            yield from _check_indexes(relation, node)
            for column in node.columns:
                yield from _check_reference(kb, relation, column)
                yield from _check_computed(tables, relation, column)
        yield from _check_says(tables, kb)


def _check_key(relation: RelationInfo, node: ast.Relation) -> Iterator[Diagnostic]:
    for name in relation.key:
        column = relation.column(name)
        if column is not None and column.type.nullable and column.span is not None:
            ref = next(item.type for item in node.columns if item.name.text == name)
            yield Diagnostic(
                "E0501",
                f"key column `{name}` is nullable",
                column.span,
                label=f"may be null: {column.type}",
                notes=("a row without its key could not be found again",),
                help=Help(
                    f"declare it `{name}: {column.type.required()}`",
                    (Edit(ref.span, str(column.type.required())),),
                ),
            )
    if relation.derived and relation.key:
        message = f"derived relation `{relation.name}` has a key"
        help_ = Help("use `unique (...) resolve highest_conf` to pick winners")
        yield Diagnostic("E0308", message, node.name.span, label="derived", help=help_)


def _check_indexes(relation: RelationInfo, node: ast.Relation) -> Iterator[Diagnostic]:
    for option in node.options:
        named: tuple[ast.Ident, ...] = ()
        if isinstance(option, ast.ColumnsOption) and option.kind == "fulltext":
            named, wanted = option.columns, "text"
        elif isinstance(option, ast.NearestOption):
            named, wanted = (option.column,), "vector"
        for name in named:
            column = relation.column(name.text)
            if column is not None and column.type.base not in (wanted, "unknown"):
                related = (Related(column.span, "declared here"),) if column.span else ()
                message = f"`{_word(option)}` needs a {wanted} column, `{name.text}` is {column.type}"
                yield Diagnostic("E0302", message, name.span, f"{column.type}", related)


def _word(option: ast.RelationOption) -> str:
    """The keyword of a relation's option."""
    match option:
        case ast.ColumnsOption():
            return option.kind
        case ast.UniqueOption():
            return "unique"
        case ast.NearestOption():
            return "nearest"
        case ast.ProvenanceOption():
            return "provenance"


def _check_reference(kb: KbInfo, relation: RelationInfo, column: ast.Column) -> Iterator[Diagnostic]:
    if column.references is None:
        return
    target = kb.scope.relations.get(column.references.text)
    if target is None:
        yield unknown_name("relation", column.references.text, column.references.span, kb.scope.relations)
        return
    related = (Related(target.span, f"`{target.name}` is declared here"),) if target.span else ()
    own = relation.column(column.name.text)
    key = target.column(target.key[0]) if len(target.key) == 1 else None
    if target.derived or key is None:
        why = (
            "is derived"
            if target.derived
            else "has no key"
            if not target.key
            else "has a key of several columns"
        )
        help_ = None if target.derived else Help(f"give `{target.name}` a key of one column:  key (...)")
        message = f"`{target.name}` {why}, `{column.name.text}` cannot point at it"
        yield Diagnostic("E0502", message, column.references.span, "no key to match", related, help=help_)
    elif own is not None and not compatible(own.type, key.type):
        message = f"`{column.name.text}` is {own.type}, the key of `{target.name}` is {key.type}"
        yield Diagnostic("E0502", message, column.type.span, f"{own.type}", related)


def _check_computed(tables: Tables, relation: RelationInfo, column: ast.Column) -> Iterator[Diagnostic]:
    """`vec: vector(384) = embed(mini, body)`."""
    value = column.value
    if value is None:
        return
    if not isinstance(value, ast.Call) or value.function.text != "embed":
        message = "a column's value is `embed(EMBEDDER, COLUMN)`"
        yield Diagnostic("E0308", message, value.span, label="not embed(...)")
        return
    resolver = tables.resolver()
    bound = resolver.call(CALLS["embed"], value)
    yield from resolver.problems
    yield from _check_embedded(relation, bound)
    own = relation.column(column.name.text)
    embedder = bound["embedder"]
    if own is None or not isinstance(embedder, Symbol):
        return
    if own.type.base != "vector":
        message = f"`embed` gives a vector, `{column.name.text}` is {own.type}"
        yield Diagnostic(
            "E0302", message, value.span, "gives a vector", (Related(column.type.span, "declared here"),)
        )
        return
    dim = tables.blocks["embedder", embedder.id]["dim"]
    if isinstance(dim, int) and own.type.size not in (None, dim):
        yield Diagnostic(
            "E0306",
            f"`{column.name.text}` has {own.type.size} numbers, `{embedder.id}` gives {dim}",
            column.type.span,
            label=f"vector of {own.type.size}",
            related=(Related(embedder.span, f"dim = {dim}"),),
            help=Help(f"declare it `vector({dim})`", (Edit(column.type.span, f"vector({dim})"),)),
        )


def _check_embedded(relation: RelationInfo, bound: Bound) -> Iterator[Diagnostic]:
    name = bound["column"]
    if name is POISON:
        return
    source = relation.column(name.text)
    if source is None:
        yield unknown_name(f"column of `{relation.name}`", name.text, name.span, relation.column_names)
    elif source.type.base not in ("text", "unknown"):
        message = f"`embed` reads text, `{name.text}` is {source.type}"
        yield Diagnostic("E0302", message, name.span, f"{source.type}")


def _check_says(tables: Tables, kb: KbInfo) -> Iterator[Diagnostic]:
    for name, say in kb.says.items():
        relation = kb.scope.relations.get(name)
        if relation is None:
            continue
        yield from check_holes(
            tables, say.template, relation.column_names, f"column of `{name}`", relation.span
        )


def check_holes(
    tables: Tables, template: ast.Text, names: tuple[str, ...], noun: str, declared: Span | None
) -> Iterator[Diagnostic]:
    """E0204 for each hole of a template that is none of `names`."""
    for name, span in holes(template, tables.loaded.texts.get(template.span.file, "")):
        if name in names:
            continue
        related = (Related(declared, "declared here"),) if declared else ()
        yield Diagnostic(
            "E0204",
            f"`{{{name}}}` is no {noun}",
            span,
            label="unknown hole",
            related=related,
            notes=(f"holes may be {', '.join(f'{{{known}}}' for known in names)}",) if names else (),
            help=did_you_mean(name, names, span),
        )
