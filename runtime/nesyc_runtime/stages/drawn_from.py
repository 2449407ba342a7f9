"""What entries and rules were drawn from, as hashes: a source that changed is seen, whatever its stage makes of it now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nesyc_runtime import config
from nesyc_runtime.files import write_json
from nesyc_runtime.hashing import digest
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.graph import all_stages

ANSWERS = "answers.json"
GONE = "gone"
DIGITS = 16  # of a prompt, where one stands in the source
TOLD = 8  # of an item or an answer: enough to see that one changed


@dataclass(frozen=True, slots=True)
class Sources:
    """What a stage may draw from, as it is now: hashes of items by name, of a teacher's answers by their prompt's hash
    (several where several items have the same prompt).

    `groups` are the names before the `/` of items of which all are listed: of these one that is not has gone.
    """

    items: Mapping[str, str]
    answers: Mapping[str, Sequence[str]]
    groups: frozenset[str]

    def changed(self, seen: Mapping[str, str]) -> dict[str, str]:
        """Of what was seen, by name, what is otherwise now, and its hash of now; what is not known here is left out."""
        now = {name: self._now(name) for name in seen}
        return {name: hashes[0] for name, hashes in now.items() if hashes and seen[name] not in hashes}

    def _now(self, name: str) -> Sequence[str]:
        if name in self.items:
            return (self.items[name],)
        gone = any(name.startswith(f"{group}/") for group in self.groups)
        return (GONE,) if gone else self.answers.get(name, ())


def sources_now(ctx: Context, stage: config.ExtractStage | config.InduceStage, folder: Path) -> Sources:
    """What `stage` draws from, its answers as they stand in the folder of its result (none: of an earlier release).

    Items are named as provenance names them: `STAGE/ITEM` in entries, `DATASET/SPLIT/ITEM` in rules. All rows of a split
    count, whatever a `limit` leaves of it.
    """
    items: dict[str, str] = {}
    groups: set[str] = set()
    for name in stage.data:
        mined = all_stages(ctx.spec).get(name)
        if not isinstance(mined, config.MineErrorsStage):
            continue
        group = mined.data.replace(".", "/") if isinstance(stage, config.InduceStage) else name
        groups.add(group)
        items |= {f"{group}/{row.id}": _hash(row.values) for row in ctx.data.whole(mined.data)}
    file = folder / ANSWERS
    answers = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return Sources(items, answers, frozenset(groups))


def write_answers(folder: Path, answers: Iterable[tuple[str, str]]) -> None:
    """Keep the hashes of answers by their prompts; `answers` are pairs of a prompt as provenance names it and a text."""
    hashes: dict[str, list[str]] = {}
    for prompt, text in answers:
        known = hashes.setdefault(prompt, [])
        if (made := text_hash(text)) not in known:
            known.append(made)
    write_json(folder / ANSWERS, hashes)


def prompt_hash(prompt: str, digits: int = 64) -> str:
    """How provenance names a prompt, and the answer to it."""
    return f"sha256:{digest(prompt)[:digits]}"


def text_hash(text: str) -> str:
    """The hash of an answer."""
    return _hash(text)


def _hash(value: object) -> str:
    return digest(value)[:TOLD]
