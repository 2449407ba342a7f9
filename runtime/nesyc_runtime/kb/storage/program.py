"""The compiled rule program as the runtime reads it: the same names and fields as `nesyc.emit.sql.program`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal as OneOf

from nesyc_runtime.config import Model

VERSION = 1


class SchemaObject(Model):
    """One statement of the schema. `facts`: the object holds rows that cannot be computed again."""

    kind: OneOf["table", "index", "view", "trigger", "insert"]
    name: str
    sql: str
    relation: str | None
    facts: bool
    note: str = ""


class ColumnPlan(Model):
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


class RelationPlan(Model):
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

    @property
    def resolved(self) -> bool:
        return self.reads != self.rows


class Statement(Model):
    """SQL of rule `rule`. `delta`: the relation whose new rows (`:REL_lo < _row <= :REL_hi`) drive it."""

    name: str
    sql: str
    rule: str
    delta: str | None
    intern: bool = False


class Scan(Model):
    """One alternative of a rule as a SELECT of its head's columns (then `conf`); see the emitter.

    `sources` are relations: the text is `parts` with a table between each two, the first one being what drives it.
    `once`: it gives no row twice.
    """

    rule: str
    head: str
    driver: OneOf["all", "atom", "head"]
    once: bool
    sources: tuple[str, ...]
    parts: tuple[str, ...]

    def sql(self, tables: Sequence[str]) -> str:
        """The SELECT over these tables, quoted names, one for each source."""
        pieces = [self.parts[0]]
        for table, part in zip(tables, self.parts[1:], strict=True):
            pieces += [table, part]
        return "".join(pieces)


class AtomPlan(Model):
    """A positive atom of a variant; `path` leads to the literal in the rule's body."""

    relation: str
    path: tuple[int, ...]


class VariablePlan(Model):
    """A variable of a variant; wildcards have a name with a blank in it."""

    name: str
    base: str
    interned: bool


class StepPlan(Model):
    """A literal as SQL: prefixes of the steps tell how far a body can be met; the head's arguments are `:h0`, ..."""

    path: tuple[int, ...]
    source: str | None
    conditions: tuple[str, ...]
    binds: Mapping[str, tuple[str, str, bool]]
    comes_to: tuple[str, str, bool] | None = None


class VariantPlan(Model):
    """One alternative of a body; see the emitter for the columns of `instances`."""

    instances: str
    instances_of: str
    searches: tuple[tuple[str, tuple[str, ...]], ...]
    atoms: tuple[AtomPlan, ...]
    variables: tuple[VariablePlan, ...]
    literals: tuple[tuple[int, ...], ...]
    steps: tuple[StepPlan, ...]


class RulePlan(Model):
    """`confidence` is the rule's, capped by its origin; a constraint's `at`, 0 where it has none."""

    name: str
    head: str
    confidence: float
    variants: tuple[VariantPlan, ...]


class StratumPlan(Model):
    """`base` runs once, `delta` in rounds until nothing is new, `resolve` at the end.

    `finished`: relations a negation or an aggregate reads; `interns`: a rule makes texts; `by_confidence`: `delta` takes
    `:floor` and `:ceiling`; `digest`: of what decides the rows.
    """

    relations: tuple[str, ...]
    rules: tuple[str, ...]
    base: tuple[str, ...]
    delta: tuple[str, ...]
    resolve: tuple[str, ...]
    scans: tuple[Scan, ...]
    finished: tuple[str, ...]
    interns: bool
    by_confidence: bool = False
    digest: str

    @property
    def key(self) -> str:
        """What the stratum is called in the store's state."""
        return " ".join(sorted(self.relations))

    @property
    def reads(self) -> frozenset[str]:
        """The relations its rules read, its own among them."""
        return frozenset(self.finished).union(*(scan.sources for scan in self.scans if scan.driver == "all"))


class Program(Model):
    """`constants`: texts that heads of rules write; `digest`: SHA-256 of everything but itself.

    `bound_to`: what keeps the rules on SQLite, empty where any engine gives the same rows.
    """

    v: OneOf[1]
    kb: str
    dialect: OneOf["sqlite"]
    semantics: OneOf["boolean", "max_min", "max_product", "top_proofs"]
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

    @cached_property
    def by_name(self) -> Mapping[str, RelationPlan]:
        return {relation.name: relation for relation in self.relations}

    @cached_property
    def rules_of(self) -> Mapping[str, tuple[RulePlan, ...]]:
        """The rules of each derived relation, in order of evaluation."""
        heads = {relation.name for relation in self.relations if relation.derived}
        return {head: tuple(rule for rule in self.rules if rule.head == head) for head in heads}
