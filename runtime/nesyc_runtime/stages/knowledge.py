"""The KBs as the stages use them: kept in step with the source, written to, retrieved from, asked for contradictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nesyc_runtime import config
from nesyc_runtime.artifact import Build
from nesyc_runtime.expressions import evaluate
from nesyc_runtime.hashing import digest
from nesyc_runtime.kb.open import bring_in_step, open_kb, refuse_violations
from nesyc_runtime.kb.proofs.contradictions import contradictions
from nesyc_runtime.kb.review.difference import with_rules
from nesyc_runtime.kb.review.review import pending, proposals
from nesyc_runtime.kb.review.stale import SEEN, mark_stale
from nesyc_runtime.kb.rules.evaluate import engine_used
from nesyc_runtime.kb.rules.evaluate import evaluate as evaluate_rules
from nesyc_runtime.kb.search.retrieval import Retriever
from nesyc_runtime.kb.search.said import revision
from nesyc_runtime.kb.search.vectors import embedded_by
from nesyc_runtime.kb.search.words import input_key
from nesyc_runtime.kb.sources.rejects import rejected
from nesyc_runtime.kb.storage.entries import accepted_entries, write_entries
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import shown
from nesyc_runtime.project import Project
from nesyc_runtime.stages.budgets import readers
from nesyc_runtime.stages.drawn_from import Sources
from nesyc_runtime.stages.duplicates import alike
from nesyc_runtime.stages.entries import asked_columns, text_columns
from nesyc_runtime.stages.ports import (
    Contradiction,
    Entry,
    Evidence,
    Found,
    GoldClaim,
    Item,
    Place,
    RuleTrial,
)
from nesyc_runtime.stages.remembered import Remembered
from nesyc_runtime.stages.rule_evidence import measure

if TYPE_CHECKING:
    from nesyc_runtime.kb.search.vectors import Embedder

RANKING = (
    1  # of the search itself: another number where the same question over the same rows is answered otherwise
)


class StoredKnowledge:
    """`Knowledge` over the stores of a project; each is opened when first needed and closed at the end.

    `embedder` gives the embedder of a name, for searches by meaning; `tokens` what measures a `retrieve` block's
    knowledge for its `budget`.
    """

    def __init__(
        self,
        build: Build,
        project: Project,
        *,
        embedder: Callable[[str], Embedder] | None = None,
        tokens: Callable[[config.Retrieve], Callable[[str], int]] | None = None,
    ) -> None:
        self._build = build
        self._project = project
        self._embedder = embedder
        self._tokens = tokens
        self._remembered = Remembered(project.state_dir / "retrieved.db")
        self._stores: dict[str, Store] = {}
        self._retrievers: dict[str, Retriever] = {}

    def prepare(self) -> None:
        """Bring every KB in step with the source and derive what follows.

        Raises `UserError` for facts that do not fit, or that break a `forbid` (E0504).
        """
        for kb in self._build.spec.kbs:
            store = self._store(kb.name)
            bring_in_step(store, self._project)
            refuse_violations(store)

    def write(self, stage: config.ExtractStage, run: str, entries: Sequence[Entry]) -> Mapping[str, int]:
        """Make these the stage's entries and derive what follows; what others wrote stays.

        One that a person accepted in almost the same words is written so: it is the same entry, of more items.
        Gives how many were `written`, left out because another row has their key (`conflict`), or `rejected` by a
        person before. Raises `UserError` for entries that do not fit the relation.
        """
        kb, _, relation = stage.into.partition(".")
        store, owner = self._store(kb), f"stage:{stage.id}"
        entries = _as_accepted(store, relation, entries)
        rows = write_entries(
            store,
            relation,
            [entry.values for entry in entries],
            owner=owner,
            provenance=[_provenance(stage, run, entry) for entry in entries],
            status=["stale" if entry.verdict and entry.verdict.harmful else "proposed" for entry in entries],
            replace=True,
            why=f"run {run}",
        )
        evaluate_rules(store)
        return {"written": 0, **Counter(row.outcome for row in rows)}

    def mark_stale(self, stage: config.ExtractStage, run: str, sources: Sources) -> int:
        """Mark the stage's accepted entries, and those people made of them, where what they were drawn from changed."""
        kb, _, relation = stage.into.partition(".")
        return mark_stale(
            self._store(kb), relation, stage.id, sources.changed,
            who=f"stage:{stage.id}", why=f"run {run}: sources changed",
        )  # fmt: skip

    def pending(self, stage: config.ExtractStage) -> int:
        """How many of the stage's entries nobody has decided on."""
        kb, _, relation = stage.into.partition(".")
        return pending(self._store(kb), relation, f"stage:{stage.id}")

    def retrieve(self, retrieve: config.Retrieve, items: Sequence[Item], *, training: bool) -> list[Found]:
        """What the KB gives each item; in training its own entries are held out, unless `own_entries` says not to."""
        own = training and not retrieve.own_entries
        held_out = [[input_key(item.inputs)] if own else [] for item in items]
        return self._found(retrieve, _questions(retrieve, items), held_out)

    def search(self, retrieve: config.Retrieve, questions: Sequence[str]) -> list[Found]:
        """What the KB gives each text, searched for as it is; nothing is held out."""
        return self._found(retrieve, questions, [[] for _ in questions])

    def _found(
        self, retrieve: config.Retrieve, questions: Sequence[str], held_out: Sequence[Sequence[str]]
    ) -> list[Found]:
        """What is remembered of each question, else what is found now; `held_out[i]` are keys of inputs."""
        common = [RANKING, self._revision(retrieve), self._settings(retrieve)]
        keys = [digest([*common, *asked]) for asked in zip(questions, held_out, strict=True)]
        found = self._remembered.get(keys)
        open_ = [place for place, key in enumerate(keys) if key not in found]
        if open_:
            results = self._retriever(retrieve).retrieve_many(
                [questions[place] for place in open_], [held_out[place] for place in open_]
            )
            made = {
                keys[place]: Found(result.text, result.hits, result.facts)
                for place, result in zip(open_, results, strict=True)
            }
            # searching may have written what it searches: vectors, and what relations say
            if self._revision(retrieve) == common[1]:
                self._remembered.put(f"{retrieve.kb}.{retrieve.name}", str(common[1]), made.items())
            found |= made
        return [found[key] for key in keys]

    def _revision(self, retrieve: config.Retrieve) -> str:
        return revision(self._store(retrieve.kb))

    def _settings(self, retrieve: config.Retrieve) -> Any:
        """All else that decides what is found: the block, its embedders, the students that count its budget."""
        store = self._store(retrieve.kb)
        targets = [t for t in retrieve.search.targets if isinstance(t, config.NearestTarget)]
        names = sorted({embedded_by(store, target)[0] for target in targets})
        models = [self._embedder(name).identity for name in names] if self._embedder is not None else names
        counted = readers(self._build.spec, retrieve.name) if retrieve.budget is not None else []
        return [
            retrieve.model_dump(mode="json", exclude={"name", "location", "task", "gate", "own_entries"}),
            models,
            [base.model_dump(mode="json") for base in counted] if self._tokens is not None else [],
        ]

    def retrieve_without(
        self, retrieve: config.Retrieve, items: Sequence[Item], hide: Sequence[Collection[Place]]
    ) -> list[Found]:
        """What the KB would give each item without the rows `hide[i]`."""
        results = self._retriever(retrieve).retrieve_many(_questions(retrieve, items), hide=hide)
        return [Found(result.text, result.hits, result.facts) for result in results]

    def retrieve_with(
        self, trial: RuleTrial, retrieve: config.Retrieve, items: Sequence[Item]
    ) -> list[Found]:
        """What the KB would give each item with a rule in force."""
        with with_rules(self._store(retrieve.kb), trial.kb, trial.program) as store:
            results = self._made(store, retrieve).retrieve_many(_questions(retrieve, items))
        return [Found(result.text, result.hits, result.facts) for result in results]

    def retrieve_in(
        self, store: Store, retrieve: config.Retrieve, items: Sequence[Item], *, training: bool
    ) -> list[Found]:
        """What another state of a KB gives each item, searched as `retrieve` searches."""
        own = training and not retrieve.own_entries
        held_out = [[input_key(item.inputs)] if own else [] for item in items]
        results = self._made(store, retrieve).retrieve_many(_questions(retrieve, items), held_out)
        return [Found(result.text, result.hits, result.facts) for result in results]

    def written(self, stage: config.ExtractStage) -> Mapping[Place, Mapping[str, Any]]:
        """The stage's entries in the KB that no person decided on: what they say, by where they stand."""
        kb, _, relation = stage.into.partition(".")
        asked = {column.name for column in asked_columns(self._store(kb).declared[relation])}
        return {
            (relation, one.key): {name: value for name, value in one.values.items() if name in asked}
            for one in proposals(self._store(kb), stage=stage.id, relation=relation)
            if not one.stale
        }

    def contradictions(self, kb: str, claims: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Contradiction]:
        """What the claims would break in the KB were they true."""
        return [Contradiction(broken.claim, broken.by) for broken in contradictions(self._store(kb), claims)]

    def measure(self, trial: RuleTrial, claims: Sequence[GoldClaim]) -> Evidence:
        """What the KB and the items' claims say about a rule; the KB is as before when this returns."""
        return measure(self._store(trial.kb["name"]), trial, claims)

    def left_out(self) -> list[str]:
        """A sentence for each relation whose files have rows that do not fit and may be left out."""
        return [sentence for kb in self._build.spec.kbs for sentence in rejected(self._store(kb.name))]

    def engines(self) -> list[tuple[str, str, str]]:
        """For each KB: its name, the engine that derived its relations, and why that one."""
        return [(kb.name, *engine_used(self._store(kb.name))) for kb in self._build.spec.kbs]

    def store(self, name: str) -> Store:
        """The store of a KB, in step with the source."""
        return self._store(name)

    def close(self) -> None:
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        self._retrievers.clear()
        self._remembered.close()

    def __enter__(self) -> StoredKnowledge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _store(self, name: str) -> Store:
        if name not in self._stores:
            kb = next(kb for kb in self._build.spec.kbs if kb.name == name)
            self._stores[name] = open_kb(self._build, self._project, kb)
        return self._stores[name]

    def _retriever(self, retrieve: config.Retrieve) -> Retriever:
        block = retrieve.model_dump_json()
        if block not in self._retrievers:
            self._retrievers[block] = self._made(self._store(retrieve.kb), retrieve)
        return self._retrievers[block]

    def _made(self, store: Store, retrieve: config.Retrieve) -> Retriever:
        measured = self._tokens is not None and retrieve.budget is not None
        return Retriever(
            store,
            retrieve,
            embedder=self._embedder,
            count_tokens=self._tokens(retrieve) if self._tokens is not None and measured else None,
        )


def _questions(retrieve: config.Retrieve, items: Sequence[Item]) -> list[str]:
    return [shown(evaluate(retrieve.query, {"input": item.inputs, "row": item.row})) for item in items]


def _as_accepted(store: Store, relation: str, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, in the words of an accepted one that says almost the same."""
    asked = asked_columns(store.declared[relation])
    names, accepted = {column.name for column in asked}, accepted_entries(store, relation)
    known = [{name: value for name, value in one.items() if name in names} for one in accepted]
    firsts = alike([*known, *(one.values for one in entries)], text_columns(asked))[len(known) :]
    return [
        replace(one, values=accepted[first]) if first < len(known) else one
        for one, first in zip(entries, firsts, strict=True)
    ]


def _provenance(stage: config.ExtractStage, run: str, entry: Entry) -> dict[str, Any]:
    """Where an entry came from; `inputs` are the keys by which retrieval holds it out for its own items."""
    return {
        "teacher": entry.teacher,
        "prompt": entry.prompt,
        "stage": stage.id,
        "run": run,
        "usd": entry.usd,
        "sources": list(entry.sources),
        "inputs": sorted({input_key(inputs) for inputs in entry.inputs}),
        **({SEEN: dict(entry.seen)} if entry.seen else {}),
        **({"validated": asdict(entry.verdict)} if entry.verdict is not None else {}),
    }
