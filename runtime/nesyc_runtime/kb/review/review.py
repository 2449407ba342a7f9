"""Reviewing what stages proposed: the list, what stands behind each proposal, and the decisions. No screen here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.proofs.graph import sentence
from nesyc_runtime.kb.review import decisions
from nesyc_runtime.kb.review.past import undo
from nesyc_runtime.kb.review.stale import CHANGED
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import PROPOSED, STALE, provenance_of, quote, row_values, texts_of
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import from_column


@dataclass(frozen=True, slots=True)
class Proposal:
    """A stored row that waits for a person. `conf` is capped; `text` what `say` makes of it.

    `provenance` holds what its stage wrote: teacher, prompt hash, run, `sources` (ids of the items it was drawn from),
    `inputs` (what was asked there). `stale`: a person accepted it, and these of its sources changed since.
    """

    relation: str
    key: tuple[Any, ...]
    values: Mapping[str, Any]
    conf: float
    owner: str
    text: str | None
    provenance: Mapping[str, Any]
    stale: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How it is named on the command line: `lesson:3`, `parent:["ann", "bob"]`."""
        if len(self.key) == 1 and isinstance(self.key[0], int):
            return f"{self.relation}:{self.key[0]}"
        return f"{self.relation}:{json.dumps(list(self.key), ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class RuleProposal:
    """A rule in the source that nobody has decided on: its text, what `@learned` says, and its comments.

    `stale`: a person accepted it, it is in force, and this changed since.
    """

    rule: str
    file: str
    line: int
    text: str
    learned: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    stale: str = ""

    @property
    def name(self) -> str:
        """How it is named on the command line: `rule:uncle_1`."""
        return f"rule:{self.rule}"

    @property
    def values(self) -> Mapping[str, Any]:
        """What can be edited."""
        return {"rule": self.text}


class RuleDecisions(Protocol):
    """Where decisions about rules go: rules stand in source files, which the compiler reads and writes."""

    def effect(self, one: RuleProposal) -> Mapping[str, Any]:
        """What the KB would derive more and less."""

    def accept(self, one: RuleProposal, *, who: str, note: str) -> None: ...

    def reject(self, one: RuleProposal, *, who: str, note: str) -> None: ...

    def edit(self, one: RuleProposal, rule: str, *, who: str, note: str) -> None: ...

    def take_back(self) -> None: ...


def proposals(store: Store, *, stage: str | None = None, relation: str | None = None) -> list[Proposal]:
    """What waits for a decision, by relation, then in the order written; `stage` and `relation` narrow it.

    Raises `UserError` for an unknown relation.
    """
    plans = [store.relation(relation)] if relation else store.program.relations
    with store.reading():
        return [one for plan in plans if not plan.derived for one in _of_relation(store, plan, stage)]


def pending(store: Store, relation: str, owner: str) -> int:
    """How many rows of a relation `owner` proposes and nobody has decided on."""
    plan = store.relation(relation)
    own = f"SELECT _row FROM {quote(plan.rows)} WHERE owner = ?1 AND status = ?2"
    beside = 'SELECT row FROM "nesyc.claim" WHERE owner = ?1 AND status = ?2 AND relation = ?3'
    ids = (store.find_symbol(owner), store.find_symbol(PROPOSED), relation)
    return int(store.execute(f"SELECT count(*) FROM ({own} UNION {beside})", ids).fetchone()[0])


def _of_relation(store: Store, plan: RelationPlan, stage: str | None) -> list[Proposal]:
    condition, bound = "r.status IN (?, ?)", [store.find_symbol(PROPOSED), store.find_symbol(STALE)]
    if stage is not None:
        condition, bound = f"{condition} AND r.owner = ?", [*bound, store.find_symbol(f"stage:{stage}")]
    found = store.execute(
        f"SELECT _row, conf, owner, provenance FROM {quote(plan.rows)} AS r WHERE {condition} ORDER BY _row",
        bound,
    ).fetchall()
    return [_proposal(store, plan, *row) for row in found]


def _proposal(
    store: Store, plan: RelationPlan, row: int, conf: float, owner: int, provenance: str | None
) -> Proposal:
    raw = row_values(store, plan, row)
    values = {
        column.name: from_column(value, column.base)
        for column, value in zip(plan.columns, raw, strict=True)
        if not column.computed
    }
    keyed = [c.name for c in plan.columns if c.key] or list(values)
    about = provenance_of(provenance)
    return Proposal(
        plan.name,
        tuple(values[name] for name in keyed),
        values,
        conf,
        store.text(owner),
        sentence(store.declared[plan.name], raw),
        about,
        tuple(texts_of(about, CHANGED)),
    )


def read_name(text: str) -> tuple[str, list[Any]]:
    """`lesson:3`, `person:ann` or `parent:["ann", "bob"]` as relation and key; raises `UserError` for anything else."""
    relation, colon, key = text.partition(":")
    if not colon or not relation or not key:
        raise UserError(f"`{printable(text, 60)}` names no entry", "write RELATION:KEY, as in lesson:3")
    try:
        value = json.loads(key)
    except (ValueError, RecursionError):
        return relation, [key]
    if isinstance(value, list):
        return relation, value
    return relation, [value if isinstance(value, int) and not isinstance(value, bool) else key]


@dataclass
class Review:
    """A review going on: a list, a place in it, and what was decided; each decision is in the store at once."""

    store: Store
    who: str
    waiting: list[Proposal | RuleProposal]
    place: int = 0
    rules: RuleDecisions | None = None
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("accepted", "edited", "rejected"), 0)
    )
    _last: list[tuple[str, int, Proposal | RuleProposal]] = field(default_factory=list)

    @property
    def current(self) -> Proposal | RuleProposal | None:
        """The proposal looked at, None where all is decided."""
        return self.waiting[self.place] if self.waiting else None

    def move(self, steps: int) -> None:
        """Look at another proposal; the ends hold."""
        self.place = max(0, min(self.place + steps, len(self.waiting) - 1))

    def accept(self, note: str = "") -> None:
        """Accept what is looked at."""
        one = self._one()
        if isinstance(one, RuleProposal):
            self._desk.accept(one, who=self.who, note=note)
            self._decided("accepted", one)
            return
        decisions.accept(self.store, one.relation, one.key, who=self.who, note=note)
        self._decided("accepted", one)

    def reject(self, note: str = "") -> None:
        """Reject what is looked at: no stage writes it again."""
        one = self._one()
        if isinstance(one, RuleProposal):
            self._desk.reject(one, who=self.who, note=note)
            self._decided("rejected", one)
            return
        decisions.reject(self.store, one.relation, one.key, who=self.who, note=note)
        self._decided("rejected", one)

    def edit(self, changes: Mapping[str, Any], note: str = "") -> None:
        """Put other values in, which accepts it as the person's; raises `UserError` for values that do not fit."""
        one = self._one()
        if all(one.values.get(name) == value for name, value in changes.items()):
            self.accept(note)
            return
        if isinstance(one, RuleProposal):
            self._desk.edit(one, str(changes.get("rule", one.text)), who=self.who, note=note)
            self._decided("edited", one)
            return
        decisions.edit(self.store, one.relation, one.key, changes, who=self.who, note=note)
        self._decided("edited", one)

    def take_back(self) -> bool:
        """Undo the last decision of this review; False where there is none."""
        if not self._last:
            return False
        what, place, one = self._last.pop()
        if isinstance(one, RuleProposal):
            self._desk.take_back()
        else:
            undo(self.store, 1, who=self.who)
        self.counts[what] -= 1
        self.waiting.insert(place, one)
        self.place = place
        return True

    def finish(self) -> None:
        """Derive what follows from the decisions."""
        evaluate(self.store)

    @property
    def _desk(self) -> RuleDecisions:
        assert self.rules is not None, "who shows rules says where decisions about them go"
        return self.rules

    def _one(self) -> Proposal | RuleProposal:
        if self.current is None:
            raise UserError("nothing waits for a decision")
        return self.current

    def _decided(self, what: str, one: Proposal | RuleProposal) -> None:
        self._last.append((what, self.place, one))
        del self.waiting[self.place]
        self.counts[what] += 1
        self.move(0)


def decide(store: Store, names: Sequence[str], what: str, *, who: str, note: str) -> list[str]:
    """Accept or reject entries by name, all or none, as one change; `RELATION:*` is every proposal of a relation.

    Gives the names decided on. Raises `UserError` where one names no entry.
    """
    action = decisions.accept if what == "accept" else decisions.reject
    with store.writing():
        chosen: list[tuple[str, tuple[Any, ...]]] = []
        for name in names:
            relation, key = read_name(name)
            keys = [one.key for one in proposals(store, relation=relation)] if key == ["*"] else [tuple(key)]
            chosen += [(relation, one) for one in keys]
        chosen = list(dict.fromkeys(chosen))  # `lesson:2` and `lesson:*` name one entry twice
        with store.changing(who, decisions.why(what, chosen, note)) if chosen else nullcontext():
            for relation, one in chosen:
                action(store, relation, one, who=who, note=note)
    return [decisions.entry_name(relation, key) for relation, key in chosen]
