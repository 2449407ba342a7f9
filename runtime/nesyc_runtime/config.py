"""The compiled spec as the runtime reads it: the same names and fields as `nesyc.ir.nodes`, from JSON.

Units: money in USD, time in seconds, lengths in tokens. Names are plain strings: a split is
`dataset.split`, a stage `pipeline.stage`, a relation of a KB `kb.relation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from typing import Literal as OneOf

from pydantic import BaseModel, ConfigDict
from pydantic import Field as _Field

Scalar = bool | int | float | str | None


class Model(BaseModel):
    """Frozen, strict about keys: a build made by another version is refused, not misread."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, protected_namespaces=())


class Location(Model):
    """A place in a source file: 1-based, code points, end exclusive (the SPAN of the contracts)."""

    file: str
    line: int
    col: int
    end_line: int
    end_col: int


class EnvRef(Model):
    """`env("TEACHER_KEY")`: read when a run needs it, never written to a file."""

    name: str
    kind: OneOf["env"] = "env"


# --- types -------------------------------------------------------------------------------------

BaseType = OneOf["text", "int", "number", "bool", "date", "json", "usd", "vector", "enum"]


class Type(Model):
    """`enum` names the declared enum of an enum type, `size` the length of a vector."""

    base: BaseType
    nullable: bool = False
    enum: str | None = None
    size: int | None = None


class Enum(Model):
    name: str
    constants: tuple[str, ...]
    location: Location


class Field(Model):
    """A field of a dataset row or of a task's input or output."""

    name: str
    type: Type
    key: bool = False


class Path(Model):
    """`root` is "" for the project folder, else a root of nesyc.yaml; `pattern` is relative, may hold `*`."""

    root: str
    pattern: str


# --- rules -------------------------------------------------------------------------------------


class Var(Model):
    """A variable; each `_` is a variable of its own with `name` None."""

    name: str | None
    type: Type
    kind: OneOf["var"] = "var"


class Const(Model):
    """A constant; an enum constant's value is its name without the dot."""

    value: Scalar
    type: Type
    kind: OneOf["const"] = "const"


class Apply(Model):
    """An operator or function:

    + - * / % neg concat lower upper length contains starts_with replace matches.
    """

    function: str
    arguments: tuple[Term, ...]
    type: Type
    kind: OneOf["apply"] = "apply"


Term = Annotated[Var | Const | Apply, _Field(discriminator="kind")]


class AtomLiteral(Model):
    relation: str
    terms: tuple[Term, ...]
    location: Location
    text: str
    negated: bool = False
    kind: OneOf["atom"] = "atom"


class CompareLiteral(Model):
    """`operator` is one of = == != < <= > >=; `=` binds its variable side where that is still unbound."""

    operator: str
    left: Term
    right: Term
    location: Location
    text: str
    kind: OneOf["compare"] = "compare"


class KnownLiteral(Model):
    """`known(x)`: x is not null."""

    variable: str
    location: Location
    text: str
    negated: bool = False
    kind: OneOf["known"] = "known"


class OrLiteral(Model):
    branches: tuple[BodyLiteral, ...]
    location: Location
    text: str
    kind: OneOf["or"] = "or"


class AggregateLiteral(Model):
    """`n = count(b: sibling(a, b))`; `groups` are the variables of `body` bound outside it.

    `result` compares with (`operator`) the aggregate; with `=` and an unbound variable it binds.
    """

    operator: str
    result: Term
    function: OneOf["count", "sum", "min", "max", "avg"]
    term: Term
    body: tuple[BodyLiteral, ...]
    groups: tuple[str, ...]
    location: Location
    text: str
    kind: OneOf["aggregate"] = "aggregate"


BodyLiteral = Annotated[
    AtomLiteral | CompareLiteral | KnownLiteral | OrLiteral | AggregateLiteral, _Field(discriminator="kind")
]

Origin = OneOf["human", "teacher", "unreviewed"]


class Rule(Model):
    """`confidence` is the written one, before any ceiling; a rule with `active` False is a proposal."""

    name: str
    confidence: float
    head: AtomLiteral
    body: tuple[BodyLiteral, ...]
    origin: Origin
    active: bool
    location: Location
    text: str


class Constraint(Model):
    """`forbid NAME [at CONF]: body`"""

    name: str
    confidence: float | None
    body: tuple[BodyLiteral, ...]
    active: bool
    location: Location
    text: str


class KbColumn(Model):
    """`references`: the relation whose key the column points at; `embed`: (embedder, column) of a vector."""

    name: str
    type: Type
    references: str | None = None
    embed: tuple[str, str] | None = None


class Unique(Model):
    columns: tuple[str, ...]
    resolve: OneOf["highest_conf"] | None


class Relation(Model):
    """`fulltext`: indexed columns; `nearest`: (column, metric); `say`: a template with {column} holes."""

    name: str
    derived: bool
    columns: tuple[KbColumn, ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...]
    unique: Unique | None
    fulltext: tuple[str, ...]
    nearest: tuple[str, str] | None
    provenance_required: bool
    say: str | None
    location: Location


class Fact(Model):
    """One row written in the source; `values` in column order, JSON scalars (dates as ISO text)."""

    relation: str
    values: tuple[Scalar, ...]
    confidence: float
    origin: Origin
    location: Location


class FactFile(Model):
    """`facts R from csv(PATH)`, checked when compiling (`sha256` of its bytes), read again when loaded.

    `bad_rows`: whether the load stops at rows that do not fit, or leaves them out. `columns`: what the file calls a
    column, where it is not its own name. `options` are the format's further settings, those that were given.
    """

    relation: str
    format: OneOf["csv", "jsonl", "parquet", "triples", "sqlite", "wikidata"]
    path: Path
    sha256: str
    confidence: float
    location: Location
    bad_rows: OneOf["stop", "reject"] = "stop"
    columns: Mapping[str, str] = {}
    options: Mapping[str, str] = {}


class Stratum(Model):
    """Relations evaluated together to a fixpoint; `recursive` where a rule of the stratum reads it."""

    relations: tuple[str, ...]
    rules: tuple[str, ...]
    recursive: bool


class Semantics(Model):
    kind: OneOf["boolean", "max_min", "max_product", "top_proofs"] = "boolean"
    k: int = 3


class Ceiling(Model):
    human: float = 1.0
    teacher: float = 1.0
    unreviewed: float = 1.0


class Kb(Model):
    """`strata` in evaluation order, each derived relation in exactly one; `enums`: those of its columns."""

    name: str
    store: str
    semantics: Semantics
    ceiling: Ceiling
    engine: OneOf["auto", "sqlite", "duckdb"]
    relations: tuple[Relation, ...]
    facts: tuple[Fact, ...]
    fact_files: tuple[FactFile, ...]
    rules: tuple[Rule, ...]
    constraints: tuple[Constraint, ...]
    strata: tuple[Stratum, ...]
    location: Location
    enums: tuple[Enum, ...] = ()


# --- data --------------------------------------------------------------------------------------


class FileSource(Model):
    """`at`: key of the list in each json file; `file_as`/`index_as`: fields for file stem and index."""

    format: OneOf["jsonl", "csv", "parquet", "json"]
    path: Path
    at: str | None = None
    file_as: str | None = None
    index_as: str | None = None
    kind: OneOf["file"] = "file"


class GenerateSource(Model):
    """`generate("module:function", n, seed)`; further keyword arguments go to the function."""

    target: str
    n: int
    seed: int
    arguments: Mapping[str, Scalar]
    kind: OneOf["generate"] = "generate"


class HubSource(Model):
    """`hf_dataset("org/name", split = "train", config = ..., revision = ...)`

    `configs` are several configurations read one after another, in place of `config`; `config_as` is the
    field that takes a row's configuration.
    """

    name: str
    split: str
    config: str | None = None
    revision: str | None = None
    configs: tuple[str, ...] = ()
    config_as: str | None = None
    kind: OneOf["hub"] = "hub"


PlainSource = Annotated[FileSource | GenerateSource | HubSource, _Field(discriminator="kind")]


class HashSplitSource(Model):
    """The part named `part` of `source`: rows whose hash of the `by` fields falls into its share."""

    source: PlainSource
    by: tuple[str, ...]
    shares: Mapping[str, float]
    part: str
    kind: OneOf["hash_split"] = "hash_split"


Source = Annotated[FileSource | GenerateSource | HubSource | HashSplitSource, _Field(discriminator="kind")]


class Split(Model):
    """`held_out`: named `test` or evaluated on (dev apart), never in the lineage of training.

    `limit`: the first n rows only.
    """

    name: str
    source: Source
    held_out: bool
    limit: int | None
    location: Location


class Dataset(Model):
    """`row` is empty where none is declared (fields are then taken as they come)."""

    name: str
    row: tuple[Field, ...]
    splits: tuple[Split, ...]
    location: Location


# --- scalar expressions over an item (metrics, retrieval queries, filters, requirements) ---------


class ColumnRef(Model):
    """`scope`: `row` (dataset field), `input`, `output`, `hit` (a KB row or its implicit column), `question`, `score`.

    Under `score`, `name` is a metric and `of` the model it is measured on (None: the evaluated one).
    """

    scope: OneOf["row", "input", "output", "hit", "question", "score"]
    name: str
    of: str | None = None
    kind: OneOf["column"] = "column"


class Operation(Model):
    """Comparison, arithmetic, `and`, `or`, `not`, or a text function, by its spelling in the language."""

    operator: str
    arguments: tuple[ItemExpr, ...]
    kind: OneOf["operation"] = "operation"


class Holds(Model):
    """Whether `relation` of the KB has a row with these values; None stands where any value will do."""

    relation: str
    arguments: tuple[ItemExpr | None, ...]
    kind: OneOf["holds"] = "holds"

    @property
    def places(self) -> tuple[int, ...]:
        """The positions of the arguments that are given."""
        return tuple(place for place, argument in enumerate(self.arguments) if argument is not None)

    @property
    def lookup(self) -> str:
        """Names the relation cut to the given positions: `useful/0,2`."""
        return f"{self.relation}/{','.join(map(str, self.places))}"


ItemExpr = Annotated[ColumnRef | Const | Operation | Holds, _Field(discriminator="kind")]


# --- tasks -------------------------------------------------------------------------------------


class Parser(Model):
    """How `output` is read from a response.

    `function`: last_match, first_match, after_last, number, choice, boxed, json_field, rest; `arguments` are its
    literal arguments (a pattern, a phrase); the text found is converted to `type`. `constants` are those of
    the enum where `type` is one.
    """

    output: str
    function: str
    arguments: tuple[Scalar, ...]
    type: Type
    location: Location
    constants: tuple[str, ...] = ()


class Metric(Model):
    """`function` over `value` of each item (`mean`), optionally per value of `group`."""

    name: str
    function: OneOf["mean", "sum", "min", "max"]
    value: ItemExpr
    group: ItemExpr | None
    location: Location


TrainingTask = OneOf[
    "direct", "answer", "rationale", "answer_given", "augmented", "augmented_answer", "explain"
]


class Task(Model):
    """`prompts[""]` is the main template (holes `{name}`, reserved `{retrieved}`).

    Other keys of `prompts` are training tasks. `target` maps an output to the dataset field that holds its
    gold value (from the first metric).
    """

    name: str
    dataset: str
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    prompts: Mapping[str, str]
    parsers: tuple[Parser, ...]
    claims: tuple[AtomLiteral, ...]
    metrics: tuple[Metric, ...]
    target: Mapping[str, str]
    location: Location


# --- models ------------------------------------------------------------------------------------


class ServerEndpoint(Model):
    """`openai_compatible(...)` or `vllm(...)`: an HTTP server that speaks the OpenAI chat protocol."""

    model: str | EnvRef
    url: str | EnvRef
    key: str | EnvRef | None
    temperature: float
    max_tokens: int
    timeout: float
    kind: OneOf["openai_compatible", "vllm"] = "openai_compatible"
    top_logprobs: int | None = None


class LocalEndpoint(Model):
    """`hf("org/name")`: a model on this machine."""

    model: str
    temperature: float
    max_tokens: int
    kind: OneOf["hf"] = "hf"


class RecordedEndpoint(Model):
    """Answers read from a file, joined to rows on `join`; `text` is the field with the answer."""

    path: Path
    join: tuple[str, ...]
    text: str
    kind: OneOf["recorded"] = "recorded"


class ProgramEndpoint(Model):
    """A Python function `module:function` that plays the teacher."""

    target: str
    kind: OneOf["program"] = "program"


Endpoint = Annotated[
    ServerEndpoint | LocalEndpoint | RecordedEndpoint | ProgramEndpoint, _Field(discriminator="kind")
]


class Price(Model):
    """USD per million tokens."""

    input: float
    output: float


class Limits(Model):
    max_usd: float | None = None
    rpm: int | None = None
    in_flight: int = 8
    retries: int = 3


class Teacher(Model):
    """`fallback`: the teacher that stands in where an environment variable of `endpoint` is not set."""

    name: str
    endpoint: Endpoint
    price: Price | None
    limits: Limits
    system: str | None
    fallback: str | None
    location: Location


class Base(Model):
    """`hf(name)`, `local(dir)`, `gguf(file[, package])`, `scratch(...)`; only its kind's fields are set."""

    kind: OneOf["hf", "local", "gguf", "scratch"]
    name: str | None = None
    revision: str | None = None
    path: Path | None = None
    package: str | None = None
    file: str | None = None
    architecture: Mapping[str, Scalar] = _Field(default_factory=dict)


class Adapter(Model):
    """`qlora`: LoRA on a base in four bits."""

    kind: OneOf["lora", "dora", "qlora", "full"]
    rank: int = 0
    alpha: int = 0
    dropout: float = 0.0
    targets: tuple[str, ...] | OneOf["all_linear"] = "all_linear"


class Student(Model):
    """`max_tokens`: prompt and response together; `max_new_tokens`: decoded at most."""

    name: str
    base: Base
    adapter: Adapter
    max_tokens: int
    max_new_tokens: int
    template: OneOf["auto", "chat", "plain"]
    options: Mapping[str, Scalar]
    location: Location


class Embedder(Model):
    name: str
    base: Base
    dim: int
    location: Location


# --- retrieval ---------------------------------------------------------------------------------


class FullTextTarget(Model):
    """Words of `relation.column`, or of the sentences `say` makes of `relation` where `column` is None."""

    relation: str
    column: str | None
    kind: OneOf["fulltext"] = "fulltext"


class NearestTarget(Model):
    relation: str
    column: str
    kind: OneOf["nearest"] = "nearest"


class Search(Model):
    """One ranking per target, merged by `merge`; `weights` one per target where merge is `weights`."""

    targets: tuple[FullTextTarget | NearestTarget, ...]
    merge: OneOf["weights", "reciprocal_rank"]
    weights: tuple[float, ...]


class Gate(Model):
    """Ask the KB only where the student's confidence is under `below`, or the value tuned on `tuned`."""

    below: float | None
    tuned: str | None


class Retrieve(Model):
    """`budget` in tokens, None unbounded; `own_entries`: a training item may see its own entry.

    `diversity`: how much it counts that a row says something else than those before it, 0 to 1.
    """

    name: str
    task: str
    kb: str
    query: ItemExpr
    search: Search
    where: ItemExpr | None
    gate: Gate | None
    take: int
    budget: int | None
    cite: bool
    own_entries: bool
    location: Location
    diversity: float = 0.0


# --- pipelines ---------------------------------------------------------------------------------


class SampleStage(Model):
    id: str
    name: str
    task: str
    teacher: str
    data: str
    n: int
    keep: OneOf["all", "correct", "majority"]
    temperature: float | None
    review: OneOf["optional", "required"]
    location: Location
    limit: int | None = None
    kind: OneOf["sample"] = "sample"


class Distil(Model):
    """What a loss over the teacher's probabilities needs: `beta` of `jsd`, `mix` its share beside cross-entropy.

    `top_k` None takes the whole vocabulary; `on_policy` is the share of responses the student writes itself, at the
    first step and at the last; `fallback` is trained where teacher and student turn out to have different tokenizers.
    """

    teacher: str
    beta: float | None
    temperature: float
    top_k: int | None
    mix: float
    on_policy: tuple[float, float]
    fallback: OneOf["cross_entropy"] | None


class FinetuneStage(Model):
    """`model`: a student's name or an earlier finetune stage's id; `examples`: ids of stages, united.

    `lr` per step of AdamW, `warmup` a share of all steps, `batch` in items, `epochs` over the examples. `fade`: the share of
    its retrieved text that an item keeps, in the first epoch and in the last.
    """

    id: str
    name: str
    task: str
    student: str
    model: str
    examples: tuple[str, ...]
    tasks: tuple[TrainingTask, ...]
    weights: tuple[float, ...]
    retrieve: str | None
    select: str | None
    loss: OneOf["cross_entropy", "kl", "reverse_kl", "jsd", "tvd"]
    epochs: float
    lr: float
    batch: int
    warmup: float
    schedule: OneOf["cosine", "linear", "constant"]
    seed: int
    options: Mapping[str, Scalar]
    review: OneOf["optional", "required"]
    location: Location
    distil: Distil | None = None
    fade: tuple[float, float] | None = None
    kind: OneOf["finetune"] = "finetune"


class MineErrorsStage(Model):
    """`folds` > 1: models trained on the other folds answer each fold; rows equal in `by` share a fold."""

    id: str
    name: str
    task: str
    model: str
    data: str
    against: tuple[str, ...]
    folds: int
    by: tuple[str, ...]
    limit: int | None
    review: OneOf["optional", "required"]
    location: Location
    kind: OneOf["mine_errors"] = "mine_errors"


class ExtractStage(Model):
    """`into`: `kb.relation` whose columns type the entries."""

    id: str
    name: str
    task: str
    teacher: str
    data: tuple[str, ...]
    into: str
    show_gold: bool
    limit: int | None
    review: OneOf["optional", "required"]
    location: Location
    kind: OneOf["extract"] = "extract"


class InduceStage(Model):
    """`into`: the fragment of `kb` that the rules are written to, a path in the project or in a root (`@root/...`)."""

    id: str
    name: str
    task: str
    teacher: str
    data: tuple[str, ...]
    into: str
    kb: str
    min_support: int
    review: OneOf["optional", "required"]
    location: Location
    show_gold: bool = False
    limit: int | None = None
    kind: OneOf["induce"] = "induce"


class ValidateStage(Model):
    id: str
    name: str
    task: str
    of: tuple[str, ...]
    model: str
    data: str
    drop: bool
    review: OneOf["optional", "required"]
    location: Location
    kind: OneOf["validate"] = "validate"


Stage = Annotated[
    SampleStage | FinetuneStage | MineErrorsStage | ExtractStage | InduceStage | ValidateStage,
    _Field(discriminator="kind"),
]


class Pipeline(Model):
    name: str
    task: str
    stages: tuple[Stage, ...]
    location: Location


class Answer(Model):
    """The policy `ask` follows. `model`: a finetune stage's id or a student's name.

    `reject`: KBs whose `forbid` (or `unique` derived facts) an answer's claim must not contradict.
    """

    task: str
    model: str
    retrieve: str | None
    format: TrainingTask | None
    samples: int
    temperature: float
    vote: OneOf["majority", "weighted"]
    reject: tuple[str, ...]
    location: Location


class Requirement(Model):
    text: str
    condition: ItemExpr
    location: Location


class Evaluate(Model):
    """`task`: what is answered; `students`: ids in the order compared (a student's name is the untrained base). `splits`: held-out ids.

    `format`/`retrieve` override what the model was trained on; None keeps it.
    """

    name: str
    model: str
    split: str
    report: tuple[str, ...]
    students: tuple[str, ...]
    seeds: int
    bootstrap: int
    requires: tuple[Requirement, ...]
    format: TrainingTask | None
    retrieve: str | None
    limit: int | None
    location: Location
    task: str = ""


# --- tests -------------------------------------------------------------------------------------


class ExpectFact(Model):
    atom: AtomLiteral
    negated: bool
    low: float | None
    high: float | None
    by: str | None
    text: str
    location: Location
    kind: OneOf["fact"] = "fact"


class ExpectError(Model):
    """`found`: the codes the compiler reported for the test's given items (decided at compile time)."""

    code: str
    found: tuple[str, ...]
    text: str
    location: Location
    kind: OneOf["error"] = "error"


class ExpectParse(Model):
    """`parse("...") == .aunt` on the task's parser of `output`."""

    response: str
    output: str
    operator: OneOf["==", "!="]
    value: Scalar
    text: str
    location: Location
    kind: OneOf["parse"] = "parse"


class ExpectPrompt(Model):
    """The rendered prompt for `inputs` compared with (`==`, `!=`, `contains`) `value`."""

    inputs: Mapping[str, Scalar]
    operator: OneOf["==", "!=", "contains"]
    value: str
    text: str
    location: Location
    kind: OneOf["prompt"] = "prompt"


Expectation = Annotated[ExpectFact | ExpectError | ExpectParse | ExpectPrompt, _Field(discriminator="kind")]


class Test(Model):
    """`kb` is the target KB with the test's given facts and rules added and strata recomputed, where any."""

    name: str
    target: str
    kb: Kb | None
    expectations: tuple[Expectation, ...]
    location: Location


class Spec(Model):
    """A whole compiled spec. `params`: resolved values by name; `enums` in order of declaration."""

    name: str
    path: str
    params: Mapping[str, Scalar]
    enums: tuple[Enum, ...]
    teachers: tuple[Teacher, ...]
    students: tuple[Student, ...]
    embedders: tuple[Embedder, ...]
    datasets: tuple[Dataset, ...]
    tasks: tuple[Task, ...]
    kbs: tuple[Kb, ...]
    retrieves: tuple[Retrieve, ...]
    pipelines: tuple[Pipeline, ...]
    answers: tuple[Answer, ...]
    evaluates: tuple[Evaluate, ...]
    tests: tuple[Test, ...]
