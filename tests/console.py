"""The console script as a test calls it: in this process, down to its exit code."""

from __future__ import annotations

import sys

import pytest

from nesyc.cli.app import app
from nesyc.cli.exits import run


def nesyc(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command as the console script does; its exit code."""
    monkeypatch.setattr(sys, "argv", ["nesyc", *arguments])
    with pytest.raises(SystemExit) as ended:
        run(app)
    return int(ended.value.code or 0)
