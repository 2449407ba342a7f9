"""The texts an editor holds, changed as it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lsprotocol import types
from pygls.uris import from_fs_path, to_fs_path

from nesyc.server.positions import Encoding, Lines


@dataclass(frozen=True, slots=True)
class Document:
    uri: str
    version: int
    text: str


class Documents:
    """Open documents by path. A text that has no file yet gets a path that no file has."""

    def __init__(self) -> None:
        self.encoding: Encoding = "utf-16"
        self._open: dict[Path, Document] = {}

    def open(self, uri: str, version: int, text: str) -> None:
        self._open[path_of(uri)] = Document(uri, version, text)

    def close(self, uri: str) -> None:
        self._open.pop(path_of(uri), None)

    def change(self, uri: str, version: int, changes: Iterable[types.TextDocumentContentChangeEvent]) -> None:
        """Apply changes one after the other, each to what the one before left; unknown documents are left alone."""
        path = path_of(uri)
        document = self._open.get(path)
        if document is None:
            return
        text = document.text
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                lines = Lines(text, self.encoding)
                start = lines.offset(change.range.start.line, change.range.start.character)
                end = lines.offset(change.range.end.line, change.range.end.character)
                text = text[:start] + change.text + text[max(start, end) :]
            else:
                text = change.text
        self._open[path] = Document(document.uri, version, text)

    def snapshot(self) -> Mapping[Path, Document]:
        """What is open now; later changes do not reach it."""
        return dict(self._open)


def path_of(uri: str) -> Path:
    """The file of a URI; a path of its own where it names none (`untitled:Untitled-1`)."""
    path = to_fs_path(uri)
    return Path(path) if path else Path("/untitled", quote(uri, safe=""))


def uri_of(path: Path) -> str:
    """The URI of a file."""
    return from_fs_path(str(path)) or path.as_uri()
