"""The side table of a KB: its own items and those of its fragments, by kind and name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nesyc.checks.messages import duplicate, unknown_name
from nesyc.checks.scope import ColumnInfo, EnumInfo, RelationInfo, RuleScope
from nesyc.checks.types import BASES, UNKNOWN, Type
from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class KbInfo:
    """`scope` is what rules see; `nodes` are the declarations behind `scope.relations`."""

    name: str
    node: ast.Kb
    settings: tuple[ast.Setting, ...]
    scope: RuleScope
    nodes: Mapping[str, ast.Relation]
    facts: tuple[ast.Facts, ...]
    rules: tuple[ast.Rule, ...]
    forbids: tuple[ast.Forbid, ...]
    says: Mapping[str, ast.Say]
    includes: tuple[ast.Include, ...]


def resolve_type(ref: ast.TypeRef, enums: Mapping[str, EnumInfo]) -> Type:
    """The type a reference names, `UNKNOWN` where there is none of that name."""
    name = ref.name.text
    if name in enums:
        return Type("enum", ref.nullable, enum=name)
    if name in BASES:
        return Type(name, ref.nullable, size=ref.size)
    return UNKNOWN


def check_type_ref(ref: ast.TypeRef, enums: Mapping[str, EnumInfo]) -> Iterator[Diagnostic]:
    """E0201 for a type that is not there, E0308 for a size where none belongs or one is missing."""
    name = ref.name.text
    if name not in enums and name not in BASES:
        yield unknown_name("type", name, ref.name.span, (*BASES, *enums))
    elif name == "vector" and (ref.size is None or ref.size < 1):
        yield Diagnostic(
            "E0308", "a vector type needs its length: `vector(384)`", ref.span, label="no length"
        )
    elif name != "vector" and ref.size is not None:
        yield Diagnostic("E0308", f"`{name}` takes no size", ref.span, label="only `vector(N)` has a size")


def build_kb(
    kb: ast.Kb, fragments: Iterable[ast.File], enums: Mapping[str, EnumInfo], problems: list[Diagnostic]
) -> KbInfo:
    """Merge a KB with its fragments, in the order of the files; duplicates are added to `problems`."""
    items = [*kb.items, *(item for fragment in fragments for item in fragment.fragment_items)]
    nodes = _by_name("relation", (item for item in items if isinstance(item, ast.Relation)), problems)
    rules = tuple(item for item in items if isinstance(item, ast.Rule))
    forbids = tuple(item for item in items if isinstance(item, ast.Forbid))
    _report_duplicate_rules((*rules, *forbids), problems)
    relations = {name: relation_info(node, enums, problems) for name, node in nodes.items()}
    says = _says((item for item in items if isinstance(item, ast.Say)), relations, problems)
    return KbInfo(
        name=kb.name.text,
        node=kb,
        settings=tuple(item for item in items if isinstance(item, ast.Setting)),
        scope=RuleScope(kb.name.text, relations, enums),
        nodes=nodes,
        facts=tuple(item for item in items if isinstance(item, ast.Facts)),
        rules=rules,
        forbids=forbids,
        says=says,
        includes=tuple(item for item in items if isinstance(item, ast.Include)),
    )


def relation_info(
    node: ast.Relation, enums: Mapping[str, EnumInfo], problems: list[Diagnostic]
) -> RelationInfo:
    """A relation's columns and options; unknown columns in an option are added to `problems`."""
    first: dict[str, Span] = {}
    for column in node.columns:
        if column.name.text in first:
            problems.append(duplicate("column", column.name.text, column.name.span, first[column.name.text]))
        first.setdefault(column.name.text, column.name.span)
        problems.extend(check_type_ref(column.type, enums))
    key = [column.name.text for column in node.columns if column.key]
    unique: tuple[str, ...] = ()
    resolve: str | None = None
    fulltext: tuple[str, ...] = ()
    nearest: str | None = None
    provenance = False
    for option in node.options:
        problems.extend(_check_option(option, tuple(first), node.name.text))
        match option:
            case ast.ColumnsOption(kind="key"):
                key.extend(name.text for name in option.columns if name.text not in key)
            case ast.ColumnsOption(kind="fulltext"):
                fulltext += tuple(name.text for name in option.columns)
            case ast.UniqueOption():
                unique = tuple(name.text for name in option.columns)
                resolve = option.resolve.text if option.resolve else None
            case ast.NearestOption():
                nearest = option.column.text
            case ast.ProvenanceOption():
                provenance = option.mode.text == "required"
    return RelationInfo(
        node.name.text,
        node.derived,
        tuple(_column_info(column, enums) for column in node.columns),
        node.name.span,
        tuple(key),
        unique,
        resolve,
        fulltext,
        nearest,
        provenance,
    )


def _column_info(column: ast.Column, enums: Mapping[str, EnumInfo]) -> ColumnInfo:
    references = column.references.text if column.references else None
    type_ = resolve_type(column.type, enums)
    return ColumnInfo(column.name.text, type_, column.name.span, references, column.value is not None)


def _check_option(
    option: ast.RelationOption, columns: tuple[str, ...], relation: str
) -> Iterator[Diagnostic]:
    match option:
        case ast.ColumnsOption() | ast.UniqueOption():
            named = option.columns
        case ast.NearestOption():
            named = (option.column,)
        case _:
            named = ()
    seen: dict[str, Span] = {}
    for name in named:
        if name.text not in columns:
            yield unknown_name(f"column of `{relation}`", name.text, name.span, columns)
        elif name.text in seen:
            yield duplicate("column", name.text, name.span, seen[name.text])
        seen.setdefault(name.text, name.span)
    what, word, allowed = _choice(option)
    if word is not None and word.text not in allowed:
        yield unknown_name(what, word.text, word.span, allowed)


def _choice(option: ast.RelationOption) -> tuple[str, ast.Ident | None, tuple[str, ...]]:
    """What an option's last word is, the word, and the words there are."""
    match option:
        case ast.UniqueOption():
            return "way to resolve", option.resolve, ("highest_conf",)
        case ast.NearestOption():
            return "distance", option.metric, ("cosine", "dot", "l2")
        case ast.ProvenanceOption():
            return "provenance mode", option.mode, ("required", "optional")
        case ast.ColumnsOption():
            return "option", None, ()


def _by_name(
    kind: str, relations: Iterable[ast.Relation], problems: list[Diagnostic]
) -> dict[str, ast.Relation]:
    found: dict[str, ast.Relation] = {}
    for node in relations:
        if node.name.text in found:
            problems.append(duplicate(kind, node.name.text, node.name.span, found[node.name.text].name.span))
        found.setdefault(node.name.text, node)
    return found


def _report_duplicate_rules(rules: Iterable[ast.Rule | ast.Forbid], problems: list[Diagnostic]) -> None:
    first: dict[str, Span] = {}
    for rule in rules:
        if rule.name.text in first:
            problems.append(duplicate("rule", rule.name.text, rule.name.span, first[rule.name.text]))
        first.setdefault(rule.name.text, rule.name.span)


def _says(
    says: Iterable[ast.Say], relations: Mapping[str, RelationInfo], problems: list[Diagnostic]
) -> dict[str, ast.Say]:
    found: dict[str, ast.Say] = {}
    for say in says:
        name = say.relation.text
        if name not in relations:
            problems.append(unknown_name("relation", name, say.relation.span, relations))
        elif name in found:
            problems.append(duplicate("sentence for", name, say.relation.span, found[name].relation.span))
        found.setdefault(name, say)
    return found
