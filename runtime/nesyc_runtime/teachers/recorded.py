"""Answers read from a file: a teacher that was asked before, joined to the rows by their fields."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.hashing import digest, file_digest
from nesyc_runtime.project import Project, show
from nesyc_runtime.records import read_file
from nesyc_runtime.teachers.base import Answer, Dropped, OnAnswer, Request


class RecordedTeacher:
    """Gives the `index`-th record whose `join` fields equal the row's; a row without one is `missing`.

    Nothing is stored again: the file is the store.
    """

    stored = False

    def __init__(self, name: str, endpoint: config.RecordedEndpoint, project: Project) -> None:
        self.name = name
        self._endpoint = endpoint
        self._files = project.files(endpoint.path)
        self._project = project
        self.identity: Mapping[str, Any] = {
            "kind": "recorded",
            "join": list(endpoint.join),
            "text": endpoint.text,
            "files": [file_digest(file) for file in self._files],
        }
        self._records: dict[str, list[str]] | None = None

    def ask(self, requests: Sequence[Request], on_answer: OnAnswer) -> None:
        records = self._load()
        for position, request in enumerate(requests):
            texts = records.get(self._join_key(request.row), [])
            found = request.index < len(texts)
            on_answer(position, Answer(texts[request.index]) if found else Dropped("missing"))

    def _load(self) -> dict[str, list[str]]:
        if self._records is None:
            self._records = defaultdict(list)
            for file in self._files:
                for record in read_file(file, self._project.shown(file), "jsonl"):
                    self._records[self._join_key(record.values)].append(
                        self._text(record.values, record.place)
                    )
        return self._records

    def _text(self, values: Mapping[str, Any], place: str) -> str:
        text = values.get(self._endpoint.text)
        if not isinstance(text, str):
            raise UserError(
                f"{place}: no text in field `{self._endpoint.text}`", "name the field with `text =`"
            )
        return text

    def _join_key(self, values: Mapping[str, Any]) -> str:
        missing = [name for name in self._endpoint.join if name not in values]
        if missing:
            raise UserError(
                f"recorded({show(self._endpoint.path)}): join field `{missing[0]}` is missing",
                "join on fields that both the rows of the dataset and the records have",
            )
        return digest([values[name] for name in self._endpoint.join])
