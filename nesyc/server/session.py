"""What the server knows: open documents, specs as last checked, diagnostics as last published."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nesyc.server.analysis import Analysis
from nesyc.server.documents import Document, Documents
from nesyc.server.kb_info import KbInfo, NoKbInfo
from nesyc.server.specs import Ownership
from nesyc.server.view import View
from nesyc.workspace import Workspace

log = logging.getLogger(__name__)
KEPT = 8
"""So many specs are kept as checked; the least recently asked for goes first."""


@dataclass(slots=True)
class Session:
    """Everything is used by one thread at a time, but for `documents`, which only the receiving one changes.

    `generation` counts what happened to files outside the editor, and openings and closings.
    """

    kb_info: KbInfo = field(default_factory=NoKbInfo)
    documents: Documents = field(default_factory=Documents)
    ownership: Ownership = field(default_factory=Ownership)
    folders: list[Path] = field(default_factory=list)
    generation: int = 0
    analyses: dict[Path, Analysis] = field(default_factory=dict)
    workspaces: dict[Path, Workspace] = field(default_factory=dict)

    def specs_of(self, path: Path, open_: Mapping[Path, Document]) -> tuple[Path, ...]:
        """The specs a file is part of."""
        return self.ownership.specs_of(path, texts(open_))

    def analyse(self, spec: Path, open_: Mapping[Path, Document]) -> Analysis:
        """The spec checked with the texts as they are open; from before where nothing changed."""
        known = self.analyses.pop(spec, None)
        if known is None or not known.is_fresh(open_, self.generation):
            workspace = self.workspaces.setdefault(spec, Workspace(spec))
            checked = workspace.check(texts(open_))
            known = Analysis(spec, checked, open_, self.generation, self.documents.encoding)
        self.analyses[spec] = known
        while len(self.analyses) > KEPT:
            oldest = next(iter(self.analyses))
            del self.analyses[oldest], self.workspaces[oldest]
        return known

    def view(self, path: Path, open_: Mapping[Path, Document], *, stale: bool = False) -> View | None:
        """A file in its spec. `stale`: a spec as last checked will do, the file's own text is always the newest.

        None for a file that is not among its spec's (it cannot be read).
        """
        document = open_.get(path)
        if stale:
            for analysis in reversed(self.analyses.values()):
                if path in analysis.names and document is not None:
                    return View(analysis, analysis.names[path], document.text, self)
        for spec in self.specs_of(path, open_):
            analysis = self.analyse(spec, open_)
            name = analysis.names.get(path)
            if name is not None:
                return View(analysis, name, analysis.checked.texts[name], self)
        return None

    def all_specs(self, open_: Mapping[Path, Document]) -> Iterable[Analysis]:
        """Every spec of the workspace folders and of the open files, checked."""
        found: dict[Path, None] = {}
        for path in open_:
            found.update(dict.fromkeys(self.specs_of(path, open_)))
        for folder in self.folders:
            found.update(dict.fromkeys(self.ownership.specs_in(folder, texts(open_))))
        for spec in list(found)[: KEPT * 4]:
            try:
                yield self.analyse(spec, open_)
            except Exception:  # one spec must not hide the others
                log.exception("cannot check %s", spec.name)


def texts(open_: Mapping[Path, Document]) -> dict[Path, str]:
    return {path: document.text for path, document in open_.items()}
