"""An editor for the tests: a real client over standard input and output, with calls that wait for answers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.uris import from_fs_path

from nesyc.server.positions import Encoding, Lines

WAIT = 60
"""Seconds after which a silent server fails a test."""


class Editor:
    """Opens files, types into them and asks about them; places are given by the text around the cursor, `|`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, encodings: Sequence[Encoding]) -> None:
        self.loop = loop
        self.client = LanguageClient("test-editor", "1")
        self.encodings = encodings
        self.encoding: Encoding = "utf-16"
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.diagnostics: dict[str, list[types.Diagnostic]] = {}
        self.rounds: dict[str, int] = {}
        self.log: list[str] = []

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def _published(params: types.PublishDiagnosticsParams) -> None:
            self.diagnostics[params.uri] = list(params.diagnostics)
            self.rounds[params.uri] = params.version if params.version is not None else 0

        @self.client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def _register(params: types.RegistrationParams) -> None:
            self.log.extend(registration.method for registration in params.registrations)

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        def _message(params: types.ShowMessageParams) -> None:
            raise AssertionError(params.message)

    def run(self, call: Any) -> Any:
        """What an awaitable gives, within `WAIT`."""
        return self.loop.run_until_complete(asyncio.wait_for(call, WAIT))

    def start(
        self, folders: Sequence[Path], cwd: Path, snippets: bool = True, before: str = "pass"
    ) -> types.InitializeResult:
        arguments = ("-c", f"{before}; from nesyc.cli import main; main()", "lsp", "--stdio")
        self.run(self.client.start_io(sys.executable, *arguments, cwd=cwd))
        item = types.ClientCompletionItemOptions(snippet_support=snippets)
        capabilities = types.ClientCapabilities(
            general=types.GeneralClientCapabilities(position_encodings=list(self.encodings)),
            text_document=types.TextDocumentClientCapabilities(
                completion=types.CompletionClientCapabilities(completion_item=item),
                rename=types.RenameClientCapabilities(prepare_support=True),
            ),
            workspace=types.WorkspaceClientCapabilities(
                did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(
                    dynamic_registration=True
                )
            ),
        )
        named = [types.WorkspaceFolder(uri(folder), folder.name) for folder in folders]
        result: types.InitializeResult = self.run(
            self.client.initialize_async(
                types.InitializeParams(capabilities, workspace_folders=named, root_uri=None)
            )
        )
        found = result.capabilities.position_encoding
        value = found.value if isinstance(found, types.PositionEncodingKind) else found
        self.encoding = value or "utf-16"  # type: ignore[assignment]
        self.client.initialized(types.InitializedParams())
        return result

    def stop(self) -> tuple[int | None, str]:
        """Say goodbye; the server's exit code and its log."""
        self.run(self.client.shutdown_async(None))
        self.client.exit(None)
        server = self.client._server
        assert server is not None
        assert server.stderr is not None
        log = self.run(server.stderr.read()).decode()
        self.run(server.wait())
        self.run(self.client.stop())
        return server.returncode, log

    # --- texts -----------------------------------------------------------------------------------

    def open(self, path: Path, text: str | None = None) -> str:
        """Open a file, with its own text or another one; its URI."""
        return self.open_text(uri(path), path.read_text(encoding="utf-8") if text is None else text)

    def open_text(self, name: str, text: str) -> str:
        """Open a text under a URI."""
        self.texts[name] = text
        self.versions[name] = 1
        document = types.TextDocumentItem(name, "nesy", 1, self.texts[name])
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        return name

    def close(self, name: str) -> None:
        del self.texts[name]
        self.client.text_document_did_close(
            types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(name))
        )

    def replace(self, name: str, old: str, new: str) -> None:
        """Type `new` over the first `old`, as an incremental change."""
        start = self.texts[name].index(old)
        place = types.Range(self.position(name, start), self.position(name, start + len(old)))
        self.texts[name] = self.texts[name].replace(old, new, 1)
        self.versions[name] += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.versions[name], name),
                [types.TextDocumentContentChangePartial(place, new)],
            )
        )

    def write(self, name: str, text: str) -> None:
        """Give the document another text as a whole."""
        self.texts[name] = text
        self.versions[name] += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self.versions[name], name),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    def position(self, name: str, offset: int) -> types.Position:
        return types.Position(*Lines(self.texts[name], self.encoding).position(offset))

    def at(self, name: str, around: str) -> types.Position:
        """The place of `|` in the first occurrence of the text around it."""
        before, after = around.split("|")
        return self.position(name, self.texts[name].index(before + after) + len(before))

    def read(self, name: str, place: types.Range, text: str | None = None) -> str:
        """What stands in a range."""
        known = self.texts.get(name) if text is None else text
        lines = Lines(
            Path(name.removeprefix("file://")).read_text() if known is None else known, self.encoding
        )
        start = lines.offset(place.start.line, place.start.character)
        return lines.text[start : lines.offset(place.end.line, place.end.character)]

    def apply(self, name: str, edits: Sequence[Any]) -> str:
        """A text after edits, none of which is applied to the editor's own."""
        text = self.texts[name]
        lines = Lines(text, self.encoding)
        for edit in sorted(
            edits, key=lambda one: (one.range.start.line, one.range.start.character), reverse=True
        ):
            start = lines.offset(edit.range.start.line, edit.range.start.character)
            end = lines.offset(edit.range.end.line, edit.range.end.character)
            text = text[:start] + edit.new_text + text[end:]
        return text

    # --- answers ---------------------------------------------------------------------------------

    def problems(self, name: str, until: Callable[[list[types.Diagnostic]], bool] | None = None) -> list[str]:
        """`CODE text` of each diagnostic of the newest text, once they have come (and `until` holds)."""

        async def wait() -> None:
            while (
                name not in self.diagnostics
                or self.rounds[name] < self.versions.get(name, 0)
                or (until is not None and not until(self.diagnostics[name]))
            ):
                await asyncio.sleep(0.02)

        self.run(wait())
        return [f"{one.code} {self.read(name, one.range)}" for one in self.diagnostics[name]]

    def completion(self, name: str, around: str) -> dict[str, types.CompletionItem]:
        """Proposals by label, at `|`."""
        found = self.run(
            self.client.text_document_completion_async(
                types.CompletionParams(types.TextDocumentIdentifier(name), self.at(name, around))
            )
        )
        return {item.label: item for item in found.items} if found is not None else {}

    def hover(self, name: str, around: str) -> str:
        found = self.run(
            self.client.text_document_hover_async(
                types.HoverParams(types.TextDocumentIdentifier(name), self.at(name, around))
            )
        )
        return "" if found is None else found.contents.value

    def definition(self, name: str, around: str) -> list[str]:
        """`file: what stands there` for each place."""
        found = self.run(
            self.client.text_document_definition_async(
                types.DefinitionParams(types.TextDocumentIdentifier(name), self.at(name, around))
            )
        )
        return [self._place(one) for one in found or ()]

    def _place(self, one: types.Location) -> str:
        line = one.range.start.line + 1
        return f"{one.uri.rpartition('/')[2]}:{line} {self.read(one.uri, one.range)}"

    def references(self, name: str, around: str) -> list[str]:
        found = self.run(
            self.client.text_document_references_async(
                types.ReferenceParams(
                    types.ReferenceContext(True), types.TextDocumentIdentifier(name), self.at(name, around)
                )
            )
        )
        return [self._place(one) for one in found or ()]

    def rename(self, name: str, around: str, new: str) -> dict[str, list[types.TextEdit]]:
        found = self.run(
            self.client.text_document_rename_async(
                types.RenameParams(types.TextDocumentIdentifier(name), self.at(name, around), new)
            )
        )
        return {} if found is None else dict(found.changes)

    def actions(self, name: str, around: str) -> dict[str, types.CodeAction]:
        place = self.at(name, around)
        found = self.run(
            self.client.text_document_code_action_async(
                types.CodeActionParams(
                    types.TextDocumentIdentifier(name), types.Range(place, place), types.CodeActionContext([])
                )
            )
        )
        return {action.title: action for action in found or ()}


def uri(path: Path) -> str:
    found = from_fs_path(str(path))
    assert found is not None
    return found


@contextmanager
def editor(
    *folders: Path,
    encodings: Sequence[Encoding] = (),
    snippets: bool = True,
    before: str = "pass",
    log_may_hold: str = "",
) -> Iterator[Editor]:
    """An editor with a server of its own, which must end with exit code 0 and an empty log.

    `before` is Python that the server's process runs first; a log must hold `log_may_hold` where that is given.
    """
    loop = asyncio.new_event_loop()
    try:
        one = Editor(loop, encodings or ("utf-16",))
        one.start(folders, folders[0], snippets, before)
        yield one
        code, log = one.stop()
        assert code == 0
        assert log_may_hold in log and (log_may_hold or not log), log
    finally:
        loop.close()
