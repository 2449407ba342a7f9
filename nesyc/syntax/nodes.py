"""The syntax tree of a `.nesy` file: one frozen node per construct, each with its span.

Nodes say what was written, nothing that was inferred from it; what a pass learns goes in side
tables (see `nesyc.checks`). Families are closed unions, so a `match` over one ends in `assert_never`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

from nesyc.diagnostics.span import Span


@dataclass(frozen=True, slots=True)
class Ident:
    """A name as written."""

    text: str
    span: Span


# --- types -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TypeRef:
    """`text`, `vector(384)`, `Kin?`: a type's name, its size if it has one, and whether it is nullable."""

    name: Ident
    size: int | None
    nullable: bool
    span: Span


# --- expressions -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal; `value` is unescaped and, for a triple-quoted block, dedented."""

    value: str
    span: Span
    block: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """`12`, `2e-4`, `-0.5`: an int where written without point and exponent, else a float."""

    value: int | float
    span: Span


@dataclass(frozen=True, slots=True)
class Bool:
    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Null:
    span: Span


@dataclass(frozen=True, slots=True)
class EnumConstant:
    """`.father` (`name` is `father`)."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    """A bare name: a variable in a rule, a reference elsewhere."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`_`"""

    span: Span


@dataclass(frozen=True, slots=True)
class Member:
    """`clutrr.train`, `distil.base.accuracy`, `row.x`."""

    of: Expr
    name: Ident
    span: Span


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call: positional when `name` is None."""

    name: Ident | None
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    """`jsonl("a.jsonl")`, `top_proofs(k = 3)`, `concat(a, b)`."""

    function: Ident
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[.direct, .answer]`"""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class TupleOf:
    """`(task, input)`"""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{ weight_decay = 0.1 }`, the pass-through of `options`."""

    entries: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    operator: OneOf["-", "not"]
    operand: Expr
    span: Span


BinaryOperator = OneOf["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "=", "and", "or"]


@dataclass(frozen=True, slots=True)
class Binary:
    operator: BinaryOperator
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`count(b: sibling(a, b))`: `function` over `term` for every binding of `body`."""

    function: OneOf["count", "sum", "min", "max", "avg"]
    term: Expr
    body: tuple[Literal, ...]
    span: Span


Expr = (
    Text | Number | Bool | Null | EnumConstant | Name | Wildcard | Member | Call | ListOf | TupleOf
    | MapOf | Unary | Binary | Aggregate
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """`key = value` in a block; `value` may be any expression."""

    key: Ident
    value: Expr
    span: Span


# --- rules -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Atom:
    """`parent(a, p, _)`; also `known(x)`, which the checks tell apart by its name."""

    relation: Ident
    arguments: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Not:
    atom: Atom
    span: Span


@dataclass(frozen=True, slots=True)
class Or:
    """`or (p(x), q(x))`: each branch is one literal."""

    branches: tuple[Literal, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Comparison:
    """`a != c`, `n = count(...)`; `=` binds or tests, the others only test."""

    operator: OneOf["=", "==", "!=", "<", "<=", ">", ">="]
    left: Expr
    right: Expr
    span: Span


Literal = Atom | Not | Or | Comparison


@dataclass(frozen=True, slots=True)
class Annotation:
    """`@learned(by = big, ...)`, `@status(accepted, by = "mk")` before a rule, a fact block or an entry."""

    name: Ident
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Rule:
    name: Ident
    confidence: Number | None
    head: Atom
    body: tuple[Literal, ...]
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Forbid:
    name: Ident
    confidence: Number | None
    body: tuple[Literal, ...]
    annotations: tuple[Annotation, ...]
    span: Span


# --- kb ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column, a task field or a row field: `child: text -> person`, `vec: vector(384) = embed(mini, body)`."""

    name: Ident
    type: TypeRef
    references: Ident | None
    value: Expr | None
    key: bool
    span: Span


@dataclass(frozen=True, slots=True)
class ColumnsOption:
    """`key (a, b)`, `index (a)`, `fulltext (title, body)`."""

    kind: OneOf["key", "index", "fulltext"]
    columns: tuple[Ident, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class UniqueOption:
    """`unique (a, b) resolve highest_conf`; `resolve` None means a second row is an error."""

    columns: tuple[Ident, ...]
    resolve: Ident | None
    span: Span


@dataclass(frozen=True, slots=True)
class NearestOption:
    """`nearest (vec, cosine)`"""

    column: Ident
    metric: Ident
    span: Span


@dataclass(frozen=True, slots=True)
class ProvenanceOption:
    """`provenance required`"""

    mode: Ident
    span: Span


RelationOption = ColumnsOption | UniqueOption | NearestOption | ProvenanceOption


@dataclass(frozen=True, slots=True)
class Relation:
    """A stored (`relation`) or derived (`derived`) relation."""

    derived: bool
    name: Ident
    columns: tuple[Column, ...]
    options: tuple[RelationOption, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class FactRow:
    """`("bob", "carl", .father) 0.95`"""

    values: tuple[Expr, ...]
    confidence: Number | None
    span: Span


@dataclass(frozen=True, slots=True)
class Facts:
    """`facts person { ("ann") }`: rows in the text, or `facts compose from csv("kb/compose.csv")`."""

    relation: Ident
    rows: tuple[FactRow, ...]
    source: Call | None
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Say:
    relation: Ident
    template: Text
    span: Span


@dataclass(frozen=True, slots=True)
class Include:
    path: Text
    span: Span


@dataclass(frozen=True, slots=True)
class Allow:
    """`allow(W0401, "why")`"""

    code: Ident
    reason: Text
    span: Span


KbItem = Setting | Relation | Facts | Rule | Forbid | Say | Include | Allow


# --- declarations ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Param:
    name: Ident
    type: TypeRef
    value: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Enum:
    name: Ident
    constants: tuple[Ident, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Teacher:
    name: Ident
    settings: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Student:
    name: Ident
    settings: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Embedder:
    name: Ident
    settings: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Split:
    name: Ident
    source: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Dataset:
    """`row` is empty where none is declared; `settings` may hold `splits = hash_split(...)`."""

    name: Ident
    row: tuple[Column, ...]
    splits: tuple[Split, ...]
    settings: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Prompt:
    """`prompt = \"\"\"...\"\"\"`, or `prompt .answer = ...` for one training task."""

    variant: EnumConstant | None
    text: Text
    span: Span


@dataclass(frozen=True, slots=True)
class Parse:
    """`parse answer = last_match("...") as Kin`"""

    output: Ident
    parser: Expr
    type: TypeRef | None
    span: Span


@dataclass(frozen=True, slots=True)
class Metric:
    """`metric by_hops = mean(answer == label) group hops`"""

    name: Ident
    value: Expr
    group: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Task:
    name: Ident
    dataset: Ident | None
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    prompts: tuple[Prompt, ...]
    parsers: tuple[Parse, ...]
    claims: tuple[Atom, ...]
    metrics: tuple[Metric, ...]
    settings: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Kb:
    name: Ident
    items: tuple[KbItem, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Retrieve:
    name: Ident
    task: Ident
    kb: Ident
    settings: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Stage:
    name: Ident
    call: Call
    span: Span


@dataclass(frozen=True, slots=True)
class MethodParam:
    name: Ident
    type: TypeRef
    default: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Method:
    name: Ident
    params: tuple[MethodParam, ...]
    stages: tuple[Stage, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Either stages written out, or `call`, the use of a method."""

    name: Ident
    task: Ident
    stages: tuple[Stage, ...]
    call: Call | None
    span: Span


@dataclass(frozen=True, slots=True)
class Answer:
    """`answer kinship with distil.final { ... }`"""

    task: Ident
    model: Expr
    settings: tuple[Setting, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Report:
    names: tuple[Ident, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Compare:
    """`compare small, base, final with = bootstrap(seeds = 3)`"""

    models: tuple[Expr, ...]
    method: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Require:
    condition: Expr
    span: Span


EvaluateItem = Report | Compare | Require | Setting


@dataclass(frozen=True, slots=True)
class Evaluate:
    """`evaluate main of distil.final on clutrr.test { ... }`"""

    name: Ident
    model: Expr
    split: Expr
    items: tuple[EvaluateItem, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Given:
    """`given rule bad: ...;` or `given facts person { ... }`: added for this test only."""

    item: Rule | Facts | Forbid
    span: Span


@dataclass(frozen=True, slots=True)
class ExpectFact:
    """`expect [not] kin("ann", "carl", .grandfather) conf 0.80 .. 0.90 by kin_chain;`"""

    negated: bool
    atom: Atom
    low: Number | None
    high: Number | None
    by: Ident | None
    span: Span


@dataclass(frozen=True, slots=True)
class ExpectError:
    code: Ident
    span: Span


@dataclass(frozen=True, slots=True)
class ExpectValue:
    """`expect parse("...") == .aunt;`, `expect prompt(...) contains "...";`"""

    left: Expr
    operator: OneOf["==", "!=", "contains"]
    right: Expr
    span: Span


Expectation = ExpectFact | ExpectError | ExpectValue


@dataclass(frozen=True, slots=True)
class Test:
    name: Text
    target: Ident | None
    given: tuple[Given, ...]
    expectations: tuple[Expectation, ...]
    span: Span


Declaration = (
    Param | Enum | Teacher | Student | Embedder | Dataset | Task | Kb | Retrieve | Method | Pipeline
    | Answer | Evaluate | Test | Include | Allow
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """One parsed file. A fragment (`fragment of family`) holds only KB items, in `fragment_items`."""

    path: str
    edition: int | None
    fragment_of: Ident | None
    declarations: tuple[Declaration, ...]
    fragment_items: tuple[KbItem, ...]
    span: Span
