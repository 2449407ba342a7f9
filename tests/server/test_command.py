"""`nesyc lsp` as a command."""

from __future__ import annotations

import subprocess
import sys


def test_without_pygls_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['pygls'] = None; from nesyc.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "lsp"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "needs pygls" in done.stderr and "pip install 'nesyc[lsp]'" in done.stderr


def test_an_editor_that_leaves_ends_the_server() -> None:
    code = "from nesyc.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "lsp", "--stdio"], input=b"", capture_output=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stdout == b"" and b"Traceback" not in done.stderr


def test_what_is_no_message_is_survived() -> None:
    code = "from nesyc.cli import main; main()"
    noise = b"hello\r\n\r\nContent-Length: 7\r\n\r\nnothing"
    done = subprocess.run([sys.executable, "-c", code, "lsp"], input=noise, capture_output=True, timeout=60)
    assert done.returncode == 0
