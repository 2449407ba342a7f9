"""The server: receives what an editor sends, answers from a session, publishes diagnostics."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.language_server import lsp_method

from nesyc import __version__
from nesyc.server.documents import Document, path_of
from nesyc.server.kb_info import KbInfo
from nesyc.server.navigate import Refused
from nesyc.server.publish import published
from nesyc.server.session import KEPT, Session
from nesyc.server.view import View

log = logging.getLogger(__name__)
DEBOUNCE = 0.15
"""Seconds without a change before a text is checked."""
REQUEST_FAILED = -32803

R = TypeVar("R")


class Refusal(JsonRpcException):
    """An answer that tells the user why not: no failure of the server's."""


def _no_refusal(record: logging.LogRecord) -> bool:
    """pygls logs every error it answers with; a refusal is none to look into."""
    return not (record.exc_info and isinstance(record.exc_info[1], Refusal))


class Protocol(LanguageServerProtocol):
    """Texts are kept by `Documents`: pygls cuts lines at more characters than the protocol does."""

    _server: NesyServer

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        self._server.session.documents.open(document.uri, document.version, document.text)
        self._server.outside_changed()

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        document = params.text_document
        self._server.session.documents.change(document.uri, document.version, params.content_changes)
        self._server.check_soon()

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        self._server.session.documents.close(params.text_document.uri)
        self._server.outside_changed()


class NesyServer(LanguageServer):
    """One thread does all the work, in the order it was asked for; the loop only receives and sends."""

    def __init__(self, kb_info: KbInfo) -> None:
        super().__init__("nesyc", __version__, protocol_cls=Protocol)
        logging.getLogger("pygls.protocol.json_rpc").addFilter(_no_refusal)
        self.session = Session(kb_info)
        self._worker = ThreadPoolExecutor(1, "nesyc")
        self._pending: asyncio.Task[None] | None = None
        self._published: dict[str, list[types.Diagnostic]] = {}

    # --- requests --------------------------------------------------------------------------------

    async def answer(self, work: Callable[[Mapping[Path, Document]], R], empty: R) -> R:
        """What `work` gives for the texts as they are now; `empty`, and a line in the log, where it fails."""
        open_ = self.session.documents.snapshot()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, open_)
        except Refused as refused:
            raise Refusal(str(refused), REQUEST_FAILED) from None
        except Exception:
            log.exception("a request failed")
            return empty

    async def look(self, uri: str, feature: Callable[[View], R], empty: R, *, stale: bool = False) -> R:
        """What `feature` finds in a file."""

        def work(open_: Mapping[Path, Document]) -> R:
            view = self.session.view(path_of(uri), open_, stale=stale)
            return empty if view is None else feature(view)

        return await self.answer(work, empty)

    # --- diagnostics -----------------------------------------------------------------------------

    def outside_changed(self) -> None:
        """Files came, went or changed: nothing checked before is known to hold."""
        self.session.generation += 1
        self.check_soon()

    def check_soon(self) -> None:
        """Check the open files once they rest."""
        if self._pending is not None:
            self._pending.cancel()
        self._pending = asyncio.ensure_future(self._check())

    async def _check(self) -> None:
        await asyncio.sleep(DEBOUNCE)
        self._pending = None  # from here on a change begins a new round instead of ending this one
        self._publish(await self.answer(self._found, None))

    def _found(self, open_: Mapping[Path, Document]) -> dict[str, list[types.Diagnostic]] | None:
        """The diagnostics of all specs that open files belong to, by URI."""
        specs: dict[Path, None] = {}
        for path in open_:
            specs.update(dict.fromkeys(self.session.specs_of(path, open_)[:KEPT]))
        found: dict[str, list[types.Diagnostic]] = {document.uri: [] for document in open_.values()}
        for spec in specs:
            for uri, diagnostics in published(self.session.analyse(spec, open_)).items():
                known = found.setdefault(uri, [])
                known.extend([one for one in diagnostics if one not in known] if known else diagnostics)
        return found

    def _publish(self, found: dict[str, list[types.Diagnostic]] | None) -> None:
        if found is None:
            return
        versions = {one.uri: one.version for one in self.session.documents.snapshot().values()}
        for uri in self._published.keys() | found.keys():
            diagnostics = found.get(uri, [])
            if uri in versions or self._published.get(uri, []) != diagnostics:
                self.text_document_publish_diagnostics(
                    types.PublishDiagnosticsParams(uri, diagnostics, versions.get(uri))
                )
        self._published = {uri: diagnostics for uri, diagnostics in found.items() if diagnostics}

    def shutdown(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)
        super().shutdown()  # type: ignore[no-untyped-call] # pygls leaves it without types


def serve(kb_info: KbInfo) -> None:
    """Speak the protocol over standard input and output until the editor says `exit`."""
    from nesyc.server.features import register

    # A checked spec is many objects without a cycle among them: looking for cycles often is time lost.
    gc.set_threshold(100_000, 20, 100)
    gc.freeze()
    server = NesyServer(kb_info)
    register(server)
    server.start_io()


def client_has(server: NesyServer, path: str) -> Any:
    """A capability of the client by its dotted name; None where it says nothing."""
    found: Any = server.client_capabilities
    for part in path.split("."):
        found = getattr(found, part, None)
        if found is None:
            return None
    return found
