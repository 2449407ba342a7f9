"""What stages need of the rest of the runtime: a learner, the knowledge, a reporter.

The engine is written against these, so that it is tested without a model and a KB.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nesyc_runtime import config
from nesyc_runtime.teachers.likely import Likely

if TYPE_CHECKING:
    from nesyc_runtime.inference.exam import Exam
    from nesyc_runtime.stages.drawn_from import Sources


@dataclass(frozen=True, slots=True)
class Reply:
    """A student's response; `confidence` in [0, 1] is how sure its first tokens were, `tokens` how many.

    `cut` names what its prompt lost to fit: the end of the knowledge, the beginning of it all.
    """

    text: str
    confidence: float
    tokens: int
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lesson:
    """One training example: `response` is the teacher's whole text, `answer` the answer's value as text.

    `likely` is what the teacher's server told of the response's tokens.
    """

    id: str
    inputs: Mapping[str, Any]
    response: str
    answer: str
    retrieved: str | None = None
    likely: Likely | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A question: `row` is the dataset's row, `inputs` the task's part of it."""

    id: str
    inputs: Mapping[str, Any]
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """What the KB gives a question: `text` as it stands in the prompt, None where nothing was found.

    `hits` are objects {"relation", "key", "score", "text"}, `facts` the FACT objects of the contracts.
    """

    text: str | None
    hits: tuple[Mapping[str, Any], ...] = ()
    facts: tuple[Mapping[str, Any], ...] = ()


Place = tuple[str, tuple[Any, ...]]  # of a row: its relation and key


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the answers to `n` items of the split `data` differ because of `subject`, an entry or a rule.

    `helped` became right with it, `harmed` wrong; `lift` is their difference over n, `p` that of the exact sign test.
    """

    subject: str
    data: str
    n: int
    helped: int
    harmed: int
    lift: float
    p: float

    @property
    def harmful(self) -> bool:
        return self.harmed > self.helped

    @property
    def told(self) -> str:
        return f"lift {self.lift:+g} on {self.data}: {self.helped} helped, {self.harmed} harmed of {self.n}, p = {self.p:g}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A KB row a stage wrote: `values` by column, `sources` the ids of the items it was drawn from.

    By `inputs`, those items' inputs, retrieval holds an item's own entries out. `usd` is what its answers cost, `verdict`
    what a validation found of it, `seen` hashes of its items and of its teacher's answer, by name.
    """

    values: Mapping[str, Any]
    sources: tuple[str, ...]
    inputs: tuple[Mapping[str, Any], ...]
    teacher: str
    prompt: str
    usd: float = 0.0
    verdict: Verdict | None = None
    seen: Mapping[str, str] = field(default_factory=dict)


Claim = tuple[str, tuple[Any, ...]]  # a relation and its values in column order


@dataclass(frozen=True, slots=True)
class GoldClaim:
    """What the right answer of an item says as a fact; `open` are the places that the answer fills."""

    item: str
    claim: Claim
    open: frozenset[int]


@dataclass(frozen=True, slots=True)
class RuleTrial:
    """A teacher's rule as the compiler sees it.

    `problems` says what is wrong with it, "" where it compiles. Then `meaning` is equal for rules that say the same,
    `kb` and `program` are the KB and its compiled rules with this one in force, as JSON values, and `heads` is a compiled
    query for the facts of `relation` that it derives in one step.
    """

    text: str
    problems: str = ""
    meaning: str = ""
    relation: str = ""
    kb: Any = None
    program: Any = None
    heads: Any = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a rule and against it, in facts it derives; `tried` counts all that were looked at.

    `lift` is the share of the items' claims that hold with the rule less the share that hold without it, None where no
    item claims a fact of its relation. `lines` are a few of the facts in words, `seen` the items that speak for it.
    """

    support: int
    against: int
    tried: int
    lift: float | None
    lines: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InducedRule:
    """A rule that compiles and was measured; `learned` are the arguments of its `@learned`, `lines` the evidence in words.

    `confidence` is what was measured, None under boolean semantics.
    """

    text: str
    teacher: str
    learned: Mapping[str, Any]
    lines: tuple[str, ...]
    confidence: float | None = None


class Rulebook(Protocol):
    """The compiler, as stages need it that make rules: the command line hands it in."""

    def said(self, answer: str) -> list[str]:
        """The texts of the rules in a teacher's answer."""

    def tried(self, kb: str, text: str) -> RuleTrial:
        """A rule parsed, checked and compiled as if it stood in the KB and a person had accepted it."""

    def included(self, stage: config.InduceStage) -> bool:
        """Whether the stage's KB includes the file it writes, so that what is accepted there counts."""

    def write(self, stage: config.InduceStage, rules: Sequence[InducedRule]) -> Mapping[str, int]:
        """Merge the rules into the stage's file as proposals; what a person decided on stays. Gives counts by outcome."""

    def judge(self, stage: config.InduceStage, verdicts: Sequence[Verdict], *, by: str, drop: bool) -> None:
        """Write what a validation found beside the stage's rules; harmful proposals are rejected, or marked stale."""

    def mark_stale(self, stage: config.InduceStage, sources: Sources) -> tuple[str, ...]:
        """Mark rules that people accepted where their sources are others now; they stay in force. Gives their names."""

    def waiting(self, stage: config.InduceStage) -> tuple[str, ...]:
        """The names of the rules in the stage's file that nobody has decided on."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Why an answer's claim cannot stand: `by` names the constraint or the derived relation it breaks."""

    claim: str
    by: str


class Learner(Protocol):
    @property
    def decisions(self) -> list[dict[str, str]]:
        """What was decided about the machine, each with `what`, `choice` and `why`."""

    def train(
        self,
        stage: config.FinetuneStage,
        lessons: Sequence[Lesson],
        *,
        start_from: Path | None,
        out: Path,
        seed: int,
        progress: Callable[[float], None],
        run: str,
        name: str,
        exam: Exam | None = None,
    ) -> None:
        """Train and write safetensors weights into the folder `out`; `progress` gets the share done.

        `run` and `name` say under what its curves are filed: the run's ID and the training's name. `exam` chooses among
        the weights after each epoch.
        """

    def respond(
        self,
        student: str,
        weights: Path | None,
        prompts: Sequence[str],
        *,
        seed: int,
        temperature: float,
        max_new_tokens: int | None,
        on_reply: Callable[[int, Reply], None],
    ) -> None:
        """Decode a response to each prompt (greedily at temperature 0), reporting each as it is done."""


class Knowledge(Protocol):
    def prepare(self) -> None:
        """Bring every KB in step with the source and derive what follows, before anything is retrieved."""

    def write(self, stage: config.ExtractStage, run: str, entries: Sequence[Entry]) -> Mapping[str, int]:
        """Make these the stage's entries, idempotently; other owners' rows stay. Gives counts by outcome."""

    def mark_stale(self, stage: config.ExtractStage, run: str, sources: Sources) -> int:
        """Mark entries that people accepted where their sources are others now; they stay in use. Gives how many."""

    def pending(self, stage: config.ExtractStage) -> int:
        """How many of the stage's entries nobody has accepted, edited or rejected yet."""

    def retrieve(self, retrieve: config.Retrieve, items: Sequence[Item], *, training: bool) -> list[Found]:
        """What the KB gives each item; with `training` an item's own entries are held out."""

    def search(self, retrieve: config.Retrieve, questions: Sequence[str]) -> list[Found]:
        """What the KB gives each text, searched for as it is."""

    def retrieve_without(
        self, retrieve: config.Retrieve, items: Sequence[Item], hide: Sequence[Collection[Place]]
    ) -> list[Found]:
        """What the KB would give each item without the rows `hide[i]`."""

    def retrieve_with(
        self, trial: RuleTrial, retrieve: config.Retrieve, items: Sequence[Item]
    ) -> list[Found]:
        """What the KB would give each item with a rule in force."""

    def retrieve_in(
        self, store: Any, retrieve: config.Retrieve, items: Sequence[Item], *, training: bool
    ) -> list[Found]:
        """What a KB in another state, an open store, would give each item."""

    def written(self, stage: config.ExtractStage) -> Mapping[Place, Mapping[str, Any]]:
        """The stage's entries in the KB that no person decided on: what they say, by where they stand."""

    def contradictions(self, kb: str, claims: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Contradiction]:
        """What the claims, (relation, values) pairs, would break in the KB were they true."""

    def measure(self, trial: RuleTrial, claims: Sequence[GoldClaim]) -> Evidence:
        """What the KB and the items' claims say about a rule; the KB is as before when this returns."""

    def left_out(self) -> list[str]:
        """A sentence for each relation whose files have rows that do not fit and may be left out."""

    def store(self, name: str) -> Any:
        """The open store of a KB."""

    def engines(self) -> list[tuple[str, str, str]]:
        """For each KB: its name, the engine that derived its relations, and why that one."""


class Reporter(Protocol):
    def start(self, stage: str, why: str, total: int | None) -> None: ...

    def advance(self, done: float) -> None: ...

    def finish(self, stage: str, summary: str) -> None: ...

    def note(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


@dataclass
class Silent:
    """A reporter that keeps what it is told and shows nothing."""

    notes: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)

    def start(self, stage: str, why: str, total: int | None) -> None:
        self.started.append(stage)

    def advance(self, done: float) -> None:
        pass

    def finish(self, stage: str, summary: str) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.notes.append(f"warning: {text}")
