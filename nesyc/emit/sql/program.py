"""The compiled rule program of a KB: what the runtime runs, explains and maintains, as plain JSON values.

The program is the source of truth; `rules.sql` is its readable form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf

from nesyc.ir.encode import encode


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """One CREATE statement. `facts`: the object holds rows that cannot be computed again."""

    kind: OneOf["table", "index", "view", "trigger", "insert"]
    name: str
    sql: str
    relation: str | None
    facts: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """`column`: its name in the tables; `interned`: it holds ids of the symbol table; `key`: part of the key."""

    name: str
    column: str
    base: str
    nullable: bool
    enum: str | None
    size: int | None
    interned: bool
    key: bool
    computed: bool


@dataclass(frozen=True, slots=True)
class RelationPlan:
    """`rows`/`reads`: every row / those queries see. `set`: the column expressions of the row-once index.

    `came`/`gone`: of a stored relation that rules read, rows that came and went since they ran last.
    """

    name: str
    derived: bool
    view: str
    rows: str
    reads: str
    columns: tuple[ColumnPlan, ...]
    set: tuple[str, ...]
    fulltext: str | None
    came: str
    gone: str


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL of rule `rule`. `delta`: the relation whose new rows (`:REL_lo < _row <= :REL_hi`) drive it."""

    name: str
    sql: str
    rule: str
    delta: str | None
    intern: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """One alternative of a rule as a SELECT of its head's columns (then `conf`, where rows carry one), in plain SQL.

    The text is `parts` with a table between each two: that of `sources[i]`, by default, or one of the same columns
    that holds the rows at issue. The tables are joined in this order. `driver` says what the first one is: an `atom`
    of the body, the `head` (rows of the head's relation to find a proof for), or nothing in particular (`all`).
    `once`: it gives no row twice.
    """

    rule: str
    head: str
    driver: OneOf["all", "atom", "head"]
    once: bool
    sources: tuple[str, ...]
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AtomPlan:
    """A positive atom of a variant; `path` leads to the literal in the rule's body."""

    relation: str
    path: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VariablePlan:
    """A variable of a variant; wildcards have a name with a blank in it."""

    name: str
    base: str
    interned: bool


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A literal as SQL to put together: prefixes of the steps tell how far a body can be met.

    Arguments of the head are bound as `:h0`, `:h1`, ...; a step with an empty path is the head's own test.
    `comes_to` is the value of an aggregate.
    """

    path: tuple[int, ...]
    source: str | None
    conditions: tuple[str, ...]
    binds: Mapping[str, tuple[str, str, bool]]
    comes_to: tuple[str, str, bool] | None = None


@dataclass(frozen=True, slots=True)
class VariantPlan:
    """One alternative of a body.

    `instances` selects the row of the head (not for a constraint), the row of each atom in `atoms`, the value of
    each variable in `variables`; `instances_of` the same for the head in row `:row`. `literals`: paths in the
    order written. `searches`: the tables and columns by which `instances_of` looks rows up.
    """

    instances: str
    instances_of: str
    searches: tuple[tuple[str, tuple[str, ...]], ...]
    atoms: tuple[AtomPlan, ...]
    variables: tuple[VariablePlan, ...]
    literals: tuple[tuple[int, ...], ...]
    steps: tuple[StepPlan, ...]


@dataclass(frozen=True, slots=True)
class RulePlan:
    """`confidence` is the rule's, capped by its origin."""

    name: str
    head: str
    confidence: float
    variants: tuple[VariantPlan, ...]


@dataclass(frozen=True, slots=True)
class StratumPlan:
    """`base` runs once, `delta` in rounds until nothing is new, `resolve` at the end.

    `scans` are the rules for other engines and for change. `finished`: relations that must not change, since a
    negation or an aggregate reads them; `interns`: a rule makes texts. `by_confidence`: `delta` takes `:floor` and
    `:ceiling`. `digest`: SHA-256 of all that decides the rows, but the rows read.
    """

    relations: tuple[str, ...]
    rules: tuple[str, ...]
    base: tuple[str, ...]
    delta: tuple[str, ...]
    resolve: tuple[str, ...]
    scans: tuple[Scan, ...]
    finished: tuple[str, ...]
    interns: bool
    by_confidence: bool
    digest: str

    @property
    def reads(self) -> frozenset[str]:
        """The relations its rules read, its own among them."""
        return frozenset(self.finished).union(*(scan.sources for scan in self.scans if scan.driver == "all"))


@dataclass(frozen=True, slots=True)
class Program:
    """`constants`: texts that rules mention; `digest`: SHA-256 of everything but itself.

    `bound_to`: what keeps the rules on SQLite, empty where any engine gives the same rows.
    """

    v: int
    kb: str
    dialect: str
    semantics: str
    k: int
    ceiling: Mapping[str, float]
    tables: tuple[SchemaObject, ...]
    relations: tuple[RelationPlan, ...]
    constants: tuple[str, ...]
    statements: Mapping[str, Statement]
    strata: tuple[StratumPlan, ...]
    bound_to: str
    resolve: tuple[str, ...]
    rules: tuple[RulePlan, ...]
    constraints: tuple[RulePlan, ...]
    notes: Mapping[str, str]
    digest: str

    def to_json(self) -> Any:
        """Plain JSON values, as plan.json holds them and the runtime reads them."""
        return encode(self)
