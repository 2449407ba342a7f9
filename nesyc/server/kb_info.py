"""What a knowledge base on disk knows about a spec: asked through a protocol, so that no server needs a runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from nesyc.ir import nodes


class KbInfo(Protocol):
    """Counts, from a store that exists already. Asking never creates one, writes to one or waits for one."""

    def facts(self, spec: Path, kb: nodes.Kb, relation: str) -> int | None:
        """How many facts the relation holds; None where that is not known."""
        ...

    def derived_by(self, spec: Path, kb: nodes.Kb, rule: nodes.Rule) -> int | None:
        """How many different facts the rule's body gives by itself; None where that is not known."""
        ...


class NoKbInfo:
    """Where there is no runtime: nothing is known."""

    def facts(self, spec: Path, kb: nodes.Kb, relation: str) -> int | None:
        return None

    def derived_by(self, spec: Path, kb: nodes.Kb, rule: nodes.Rule) -> int | None:
        return None
