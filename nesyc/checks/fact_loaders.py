"""Settings of fact files that only the relation can judge: what columns are called, and how many triples need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nesyc.checks.kinds import Bound
from nesyc.checks.messages import unknown_name
from nesyc.checks.scope import RelationInfo
from nesyc.diagnostics import Diagnostic, Help, Related

COMMON = ("path", "confidence", "bad_rows", "columns")
SYNTAXES = {".nt": "ntriples", ".ttl": "turtle"}


def check_loader(relation: RelationInfo, bound: Bound) -> Iterator[Diagnostic]:
    """E0201, E0301, E0302 and E0505 in the settings of a fact file."""
    columns = bound.values.get("columns", {})
    names = [column.name for column in relation.columns if not column.computed]
    for name, called in columns.items():
        if name not in names:
            yield unknown_name("column", name, bound.span_of("columns"), names)
        elif not isinstance(called, str):
            yield _not_text(bound, "columns", f"what the file calls `{name}`")
    if any(not isinstance(iri, str) for iri in bound.values.get("prefixes", {}).values()):
        yield _not_text(bound, "prefixes", "what a prefix stands for")
    if bound.name == "wikidata":
        yield from _unmapped(relation, bound)
    if bound.name == "triples":
        yield from _triples(relation, bound, len(names))


def _triples(relation: RelationInfo, bound: Bound, columns: int) -> Iterator[Diagnostic]:
    wanted = 3 if bound["predicate"] is None else 2
    if columns == wanted:
        return
    help_ = Help('`predicate = "..."` takes the triples of one predicate into two columns')
    yield Diagnostic(
        "E0301",
        f"these triples need a relation of {wanted} columns, `{relation.name}` has {columns}",
        bound.span,
        label=f"{wanted} columns",
        related=(Related(relation.span, "declared here"),) if relation.span else (),
        help=help_ if columns == 2 else None,
    )


def _unmapped(relation: RelationInfo, bound: Bound) -> Iterator[Diagnostic]:
    for column in relation.columns:
        if column.computed or column.type.nullable or column.name in bound["columns"]:
            continue
        yield Diagnostic(
            "E0505",
            f"`columns` does not say where `{column.name}` comes from",
            bound.span_of("columns"),
            label=f"`{relation.name}` needs `{column.name}`",
            related=(Related(column.span, "column declared here"),) if column.span else (),
            help=Help(f'name a property, `id`, `label` or `description`:  {column.name} = "P31"'),
        )


def _not_text(bound: Bound, name: str, what: str) -> Diagnostic:
    return Diagnostic("E0302", f"{what} is a text", bound.span_of(name), label="text expected")


def fact_options(bound: Bound, pattern: str) -> Mapping[str, str]:
    """The further settings of a format that were given; the syntax of triples by the ending of their file."""
    given = {name: value for name, value in bound.values.items() if name not in COMMON and value is not None}
    prefixes = given.pop("prefixes", {})
    options = {name: str(value) for name, value in given.items()}
    options |= {f"prefix {name}": iri for name, iri in sorted(prefixes.items())}
    if bound.name == "triples":
        ending = pattern[pattern.rfind(".") :] if "." in pattern else ""
        options.setdefault("syntax", SYNTAXES.get(ending, "tsv"))
    return options
