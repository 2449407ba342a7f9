"""`nesyc lsp`: the language server, for editors."""

from __future__ import annotations

from typing import Annotated

import typer


def lsp(
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Speak over standard input and output (the default).")
    ] = True,
) -> None:
    """Serve an editor: diagnostics, completion, hover, navigation, renaming, quick fixes."""
    import logging
    import sys

    from nesyc.cli.errors import USER_ERROR, CliError

    try:
        from nesyc.server.app import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol", "cattrs"):
            raise
        raise CliError(
            "the language server needs pygls, which is not installed",
            "install it:  pip install 'nesyc[lsp]'",
            USER_ERROR,
        ) from None
    from nesyc.cli.kb_info import StoredKbInfo

    # Standard output belongs to the protocol; an editor shows standard error as the server's log.
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    serve(StoredKbInfo())
