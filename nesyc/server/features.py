"""Which function answers which request."""

from __future__ import annotations

from lsprotocol import types

from nesyc.server import actions, navigate, outline, tokens
from nesyc.server.app import NesyServer, client_has
from nesyc.server.completion import completion, signatures
from nesyc.server.documents import path_of
from nesyc.server.formatting import formatting, range_formatting
from nesyc.server.hover import hover

WATCHED = ("**/*.nesy", "**/nesyc.yaml", "**/*.csv", "**/*.jsonl")


def register(server: NesyServer) -> None:
    """Register every feature; pygls tells the editor of what is here."""
    _life(server)
    _writing(server)
    _reading(server)
    _symbols(server)


def _life(server: NesyServer) -> None:
    @server.feature(types.INITIALIZE)
    def _initialize(params: types.InitializeParams) -> None:
        encoding = server.workspace.position_encoding
        value = encoding.value if isinstance(encoding, types.PositionEncodingKind) else encoding
        session = server.session
        session.documents.encoding = (
            "utf-8" if value == "utf-8" else "utf-32" if value == "utf-32" else "utf-16"
        )
        _folders(server)

    @server.feature(types.INITIALIZED)
    async def _initialized(params: types.InitializedParams) -> None:
        if client_has(server, "workspace.did_change_watched_files.dynamic_registration"):
            watchers = [types.FileSystemWatcher(pattern) for pattern in WATCHED]
            options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
            registration = types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
            await server.client_register_capability_async(types.RegistrationParams([registration]))

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def _changed_folders(params: types.DidChangeWorkspaceFoldersParams) -> None:
        _folders(server)
        server.outside_changed()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def _changed_files(params: types.DidChangeWatchedFilesParams) -> None:
        server.outside_changed()

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def _saved(params: types.DidSaveTextDocumentParams) -> None:
        server.outside_changed()


def _folders(server: NesyServer) -> None:
    uris = [folder.uri for folder in server.workspace.folders.values()]
    if not uris and server.workspace.root_uri:
        uris = [server.workspace.root_uri]
    server.session.folders = [path_of(uri) for uri in uris]


def _writing(server: NesyServer) -> None:
    options = types.CompletionOptions(trigger_characters=[".", "@", "{", "/", "("])

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, options)
    async def _completion(params: types.CompletionParams) -> types.CompletionList | None:
        snippets = bool(client_has(server, "text_document.completion.completion_item.snippet_support"))
        uri, position = params.text_document.uri, params.position
        return await server.look(uri, lambda view: completion(view, position, snippets), None, stale=True)

    help_options = types.SignatureHelpOptions(trigger_characters=["(", ","])

    @server.feature(types.TEXT_DOCUMENT_SIGNATURE_HELP, help_options)
    async def _signatures(params: types.SignatureHelpParams) -> types.SignatureHelp | None:
        uri, position = params.text_document.uri, params.position
        return await server.look(uri, lambda view: signatures(view, position), None, stale=True)

    action_options = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, action_options)
    async def _actions(params: types.CodeActionParams) -> list[types.CodeAction]:
        wanted = params.context.only
        if wanted is not None and not any("quickfix".startswith(str(_value(one))) for one in wanted):
            return []
        return await server.look(
            params.text_document.uri, lambda view: actions.code_actions(view, params.range), []
        )

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def _format(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        return await server.look(params.text_document.uri, formatting, [], stale=True)

    @server.feature(types.TEXT_DOCUMENT_RANGE_FORMATTING)
    async def _format_range(params: types.DocumentRangeFormattingParams) -> list[types.TextEdit]:
        uri, part = params.text_document.uri, params.range
        return await server.look(uri, lambda view: range_formatting(view, part), [], stale=True)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def _prepare(params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
        uri, position = params.text_document.uri, params.position
        return await server.look(uri, lambda view: navigate.prepare_rename(view, position), None)

    @server.feature(types.TEXT_DOCUMENT_RENAME)
    async def _rename(params: types.RenameParams) -> types.WorkspaceEdit | None:
        uri, position, new = params.text_document.uri, params.position, params.new_name
        return await server.look(uri, lambda view: navigate.rename(view, position, new), None)


def _value(kind: types.CodeActionKind | str) -> str:
    return kind.value if isinstance(kind, types.CodeActionKind) else kind


def _reading(server: NesyServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def _hover(params: types.HoverParams) -> types.Hover | None:
        return await server.look(params.text_document.uri, lambda view: hover(view, params.position), None)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def _definition(params: types.DefinitionParams) -> list[types.Location]:
        uri, position = params.text_document.uri, params.position
        return await server.look(uri, lambda view: navigate.definition(view, position), [])

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def _references(params: types.ReferenceParams) -> list[types.Location]:
        uri, position = params.text_document.uri, params.position
        declaration = params.context.include_declaration
        return await server.look(
            uri, lambda view: navigate.references(view, position, declaration=declaration), []
        )

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    async def _highlights(params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        uri, position = params.text_document.uri, params.position
        return await server.look(uri, lambda view: navigate.highlights(view, position), [])


def _symbols(server: NesyServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def _document(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        return await server.look(params.text_document.uri, outline.document_symbols, [])

    @server.feature(types.WORKSPACE_SYMBOL)
    async def _workspace(params: types.WorkspaceSymbolParams) -> list[types.WorkspaceSymbol]:
        return await server.answer(
            lambda open_: outline.workspace_symbols(server.session.all_specs(open_), params.query), []
        )

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    async def _folding(params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        uri = params.text_document.uri
        return await server.look(
            uri, lambda view: outline.folding_ranges(view.text, view.lines), [], stale=True
        )

    @server.feature(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, tokens.LEGEND)
    async def _tokens(params: types.SemanticTokensParams) -> types.SemanticTokens:
        uri = params.text_document.uri
        return await server.look(uri, tokens.semantic_tokens, types.SemanticTokens([]))

    @server.feature(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_RANGE, tokens.LEGEND)
    async def _token_range(params: types.SemanticTokensRangeParams) -> types.SemanticTokens:
        uri = params.text_document.uri
        return await server.look(
            uri, lambda view: tokens.semantic_tokens(view, params.range), types.SemanticTokens([])
        )
