"""A spec as checked, with what the features ask of it; made once, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from lsprotocol import types

from nesyc.diagnostics.span import Span
from nesyc.index import Index, build_index
from nesyc.server.documents import Document, uri_of
from nesyc.server.positions import Encoding, Lines
from nesyc.workspace import Checked


class Analysis:
    """`open` are the documents it was made with, `generation` counts changes of the disk."""

    def __init__(
        self,
        spec: Path,
        checked: Checked,
        open_: Mapping[Path, Document],
        generation: int,
        encoding: Encoding,
    ) -> None:
        self.spec, self.checked, self.open = spec, checked, open_
        self.generation, self.encoding = generation, encoding
        self._lines: dict[str, Lines] = {}
        self.paths = {name: checked.project.path_of(name) for name in checked.texts}
        self.names = {path: name for name, path in self.paths.items()}

    @cached_property
    def index(self) -> Index:
        return build_index(self.checked.tables)

    def lines(self, name: str) -> Lines:
        """The lines of a file of the spec, by the name spans have for it."""
        found = self._lines.get(name)
        if found is None:
            text = self.checked.texts.get(name, "")
            found = self._lines[name] = Lines(text, self.encoding)
        return found

    def uri(self, name: str) -> str:
        """The URI of a file, spelled as the editor spells it where it has the file open."""
        path = self.paths.get(name) or self.checked.project.path_of(name)
        document = self.open.get(path)
        return document.uri if document is not None else uri_of(path)

    def location(self, span: Span) -> types.Location:
        """A span of any file of the spec, as the protocol has it."""
        lines = self.lines(span.file)
        return types.Location(self.uri(span.file), lines.range(span.start, span.end))

    def is_fresh(self, open_: Mapping[Path, Document], generation: int) -> bool:
        """Whether nothing it was made from has changed since."""
        if generation != self.generation:
            return False
        return all(open_.get(path) is self.open.get(path) for path in self.paths.values())
