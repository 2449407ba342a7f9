"""The facts of a KB: rows of the text as plain values, files with their hashes, and keys over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nesyc.checks.annotations import tells_where_from
from nesyc.checks.fact_files import FactReader, file_hash
from nesyc.checks.fact_loaders import check_loader, fact_options
from nesyc.checks.fact_values import fact_value
from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.kinds import POISON, Bound, CallOf, Located
from nesyc.checks.messages import confidence_range, unknown_name
from nesyc.checks.scope import RelationInfo, RuleScope
from nesyc.checks.signatures import FACT_LOADERS
from nesyc.checks.values import Resolver
from nesyc.diagnostics import Diagnostic, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

CHECKED = 100_000
"""The rows of a fact file that are compared while compiling, so that a check of a large one stays quick and small."""


@dataclass(frozen=True, slots=True)
class FactRowInfo:
    """`values` in column order, None for null and for what an embedder computes."""

    relation: str
    values: tuple[Any, ...]
    confidence: float
    span: Span
    node: ast.Facts


@dataclass(frozen=True, slots=True)
class FactFileInfo:
    relation: str
    format: str
    located: Located
    sha256: str
    confidence: float
    span: Span
    bad_rows: str
    columns: Mapping[str, str]
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KbFacts:
    rows: tuple[FactRowInfo, ...]
    files: tuple[FactFileInfo, ...]
    problems: tuple[Diagnostic, ...]


@dataclass(slots=True)
class _Keys:
    """Key values seen so far, each with where; `unread` where a file's rows are not known."""

    seen: dict[tuple[Any, ...], tuple[Span, str]]
    unread: bool = False


def read_facts(kb: KbInfo, facts: Iterable[ast.Facts], resolver: Resolver) -> KbFacts:
    """Check and convert facts: E0201, E0301 to E0307, E0407, E0502, E0503, E0505."""
    reader = _FactsReader(kb.scope, resolver)
    for block in facts:
        reader.block(block)
    reader.check_references()
    return KbFacts(tuple(reader.rows), tuple(reader.files), tuple(reader.problems))


class _FactsReader:
    def __init__(self, scope: RuleScope, resolver: Resolver) -> None:
        self.scope, self.resolver = scope, resolver
        self.rows: list[FactRowInfo] = []
        self.files: list[FactFileInfo] = []
        self.problems: list[Diagnostic] = []
        self.keys: dict[str, _Keys] = {}
        # (relation, column, value) of foreign keys, each first place only: what must be found in the end.
        self.pointers: dict[tuple[str, str, Any], tuple[Span, str]] = {}

    def block(self, block: ast.Facts) -> None:
        name = block.relation.text
        relation = self.scope.relations.get(name)
        if relation is None:
            self.problems.append(unknown_name("relation", name, block.relation.span, self.scope.relations))
            return
        if relation.derived:
            self.problems.append(_derived(block, relation))
            return
        if relation.provenance_required and not tells_where_from(block.annotations):
            self.problems.append(_no_provenance(block, relation))
        self.keys.setdefault(name, _Keys({}))
        if block.source is not None:
            self._file(block, relation)
        for row in block.rows:
            self._row(block, relation, row)

    def _row(self, block: ast.Facts, relation: RelationInfo, row: ast.FactRow) -> None:
        columns = relation.columns
        if len(row.values) != len(columns):
            columns = tuple(column for column in columns if not column.computed)
        if len(row.values) != len(columns):
            self.problems.append(_arity(row, relation))
            return
        confidence = 1.0
        if row.confidence is not None:
            confidence = float(row.confidence.value)
            if not 0 < confidence <= 1:
                self.problems.append(confidence_range(row.confidence.span))
        before = len(self.problems)
        given = {
            column.name: fact_value(value, column, self.scope, self.resolver.constants, self.problems)
            for value, column in zip(row.values, columns, strict=True)
        }
        if len(self.problems) > before:
            self.keys[relation.name].unread = True
            return
        values = tuple(given.get(column.name) for column in relation.columns)
        self.rows.append(FactRowInfo(relation.name, values, confidence, row.span, block))
        self._remember(relation, values, row.span, "here")

    def _file(self, block: ast.Facts, relation: RelationInfo) -> None:
        source = block.source
        assert source is not None
        kind = CallOf(tuple(f"facts.{name}" for name in FACT_LOADERS))
        before = len(self.resolver.problems)
        bound = self.resolver.value(kind, source, f"facts of `{relation.name}`")
        self.problems.extend(self.resolver.problems[before:])
        del self.resolver.problems[before:]
        keys = self.keys[relation.name]
        if bound is POISON or POISON in bound.values.values():
            keys.unread = True
            return
        assert isinstance(bound, Bound)
        located = bound["path"]
        if misfits := list(check_loader(relation, bound)):
            self.problems.extend(misfits)
            keys.unread = True
            return
        path, span = self.resolver.paths.file(located), source.span
        try:
            sha256 = file_hash(path)
        except OSError as error:
            self.problems.append(
                Diagnostic("E0205", f"`{located.pattern}` cannot be read: {error.strerror}", span)
            )
            return
        shown = f"@{located.root}/{located.pattern}" if located.root else located.pattern
        self.files.append(
            FactFileInfo(
                relation.name,
                bound.name,
                located,
                sha256,
                float(bound["confidence"]),
                span,
                bound["bad_rows"],
                bound.values.get("columns", {}),
                fact_options(bound, located.pattern),
            )
        )
        if bound.name not in ("csv", "jsonl"):
            keys.unread = True
            return
        before = len(self.problems)
        strict = bound["bad_rows"] == "stop"
        reader = FactReader(
            relation,
            self.scope.enums,
            path,
            shown,
            bound.span_of("path"),
            self.problems,
            bound["columns"],
            strict,
        )
        # rows that may be bad, and those of a long file beyond its beginning, are looked at when they are loaded
        checked = CHECKED if strict else 0
        for count, (line, values) in enumerate(reader.rows(bound.name, limit=checked)):
            keys.unread = keys.unread or count + 1 == checked
            self._remember(relation, values, reader.span, f"{shown}:{line}")
        keys.unread = keys.unread or len(self.problems) > before or not checked

    def _remember(self, relation: RelationInfo, values: tuple[Any, ...], span: Span, where: str) -> None:
        """Keys for E0503, foreign keys for E0502."""
        keys = self.keys[relation.name]
        for names, what in ((relation.key, "key"), (relation.unique, "`unique`")):
            if not names or (what != "key" and (relation.resolve is not None or names == relation.key)):
                continue
            key = (what, *(_hashable(values[_place(relation, name)]) for name in names))
            first = keys.seen.setdefault(key, (span, where))
            if first[0] != span or first[1] != where:
                self.problems.append(_duplicate_key(relation, names, key[1:], span, where, first, what))
        for place, column in enumerate(relation.columns):
            value = values[place]
            if column.references is not None and value is not None:
                self.pointers.setdefault((column.references, column.name, _hashable(value)), (span, where))

    def check_references(self) -> None:
        """E0502 for a foreign key that no fact of the spec has, where the spec fills that relation."""
        for (target, column, value), (span, where) in self.pointers.items():
            relation, keys = self.scope.relations.get(target), self.keys.get(target)
            if relation is None or keys is None or keys.unread or not keys.seen or len(relation.key) != 1:
                continue
            if ("key", value) not in keys.seen:
                place = "" if where == "here" else f"{where}: "
                message = f"{place}`{column}` points at {value!r}, which is not in `{target}`"
                related = (Related(relation.span, f"`{target}` is declared here"),) if relation.span else ()
                help_ = Help(f"add it to `facts {target}`, or mend the value")
                self.problems.append(Diagnostic("E0502", message, span, "no such key", related, help=help_))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _place(relation: RelationInfo, name: str) -> int:
    names = relation.column_names
    return names.index(name) if name in names else 0


def _derived(block: ast.Facts, relation: RelationInfo) -> Diagnostic:
    return Diagnostic(
        "E0407",
        f"facts for the derived relation `{relation.name}`",
        block.relation.span,
        label="derived",
        related=(Related(relation.span, "declared here"),) if relation.span else (),
        notes=("a derived relation is filled by rules only",),
        help=Help(f"declare it `relation {relation.name}(...)`, or state the facts it follows from"),
    )


def _no_provenance(block: ast.Facts, relation: RelationInfo) -> Diagnostic:
    return Diagnostic(
        "E0802",
        f"these facts of `{relation.name}` do not say where they come from",
        block.relation.span,
        label="no provenance",
        related=(Related(relation.span, "`provenance required`"),) if relation.span else (),
        help=Help('write where from before them:  @source(title = "...")'),
    )


def _arity(row: ast.FactRow, relation: RelationInfo) -> Diagnostic:
    names, found = relation.column_names, len(row.values)
    return Diagnostic(
        "E0301",
        f"`{relation.name}` has {len(names)} column{'s' * (len(names) != 1)}, found {found}",
        row.span,
        label=f"{found} value{'s' * (found != 1)}",
        related=(Related(relation.span, "declared here"),) if relation.span else (),
        notes=(f"its columns are ({', '.join(names)})",),
    )


def _duplicate_key(
    relation: RelationInfo,
    names: tuple[str, ...],
    key: tuple[Any, ...],
    span: Span,
    where: str,
    first: tuple[Span, str],
    what: str,
) -> Diagnostic:
    shown = ", ".join(f"{name} = {value}" for name, value in zip(names, key, strict=True))
    place = "" if where == "here" else f"{where}: "
    earlier = "first given here" if first[1] == "here" else f"first given in {first[1]}"
    return Diagnostic(
        "E0503",
        f"{place}`{relation.name}` has two facts with the {what} ({shown})",
        span,
        label="given again",
        related=(Related(first[0], earlier),),
        help=Help(f"remove one of them, or widen the {what}"),
    )
