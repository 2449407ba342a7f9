"""What `run`, `plan` and `ask` share: a compiled spec opened with everything the runtime needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nesyc_runtime.artifact import Build
    from nesyc_runtime.project import Project
    from nesyc_runtime.stages.context import Context
    from nesyc_runtime.stages.knowledge import StoredKnowledge
    from nesyc_runtime.stages.ports import Reporter


@contextmanager
def open_session(
    build: Build, project: Project, reporter: Reporter, limit: int | None = None
) -> Iterator[Context]:
    """The stages' context; the answer store and the KBs are closed at the end. Torch is not loaded yet."""
    from nesyc.cli.rulebook import rulebook_of
    from nesyc_runtime.errors import placed_below
    from nesyc_runtime.stages.learner import TorchLearner
    from nesyc_runtime.stages.run import open_context

    with placed_below(project.root), ExitStack() as stack:
        knowledge = stack.enter_context(open_knowledge(build, project))
        learner = TorchLearner(build, project, warn=reporter.warn)
        yield open_context(
            build,
            project,
            learner,
            knowledge,
            reporter,
            stack,
            rules=rulebook_of(build, project),
            limit=limit or None,
        )


def open_knowledge(build: Build, project: Project) -> StoredKnowledge:
    """The KBs of a compiled spec, with the embedders and tokenizers it declares; a context manager."""
    from nesyc_runtime.stages.budgets import token_counts
    from nesyc_runtime.stages.embedders import embedders
    from nesyc_runtime.stages.knowledge import StoredKnowledge

    return StoredKnowledge(
        build,
        project,
        embedder=embedders(build.spec.embedders, project),
        tokens=token_counts(build.spec, project),
    )


def open_build(
    spec: Path | None, build: Path | None, profile: str | None, params: dict[str, str]
) -> tuple[Build, Project]:
    """The compiled spec a command works on, compiled again first where needed, and its project.

    Raises what `resolve_build` raises.
    """
    from nesyc.cli.current import choose, resolve_build

    choice, _ = choose(spec, build, profile, params)
    compiled, _ = resolve_build(spec, build, profile, params)
    return compiled, runtime_project(choice.spec, choice.profile)


def runtime_project(spec_file: Path, profile: str | None = None) -> Project:
    """The runtime's view of the project a spec lies in: its folder, roots and allowed programs, how it trains."""
    from nesyc.parsing.project import find_project
    from nesyc.parsing.settings_file import NAME, Settings, read_settings
    from nesyc_runtime.project import Project, Training

    root = find_project(spec_file)
    file = root / NAME
    settings = read_settings(file.read_text(encoding="utf-8"), root) if file.is_file() else Settings()
    how = settings.training_in(profile)
    return Project(
        root,
        settings.roots,
        settings.programs,
        spec_file.absolute().parent,
        settings.tracking,
        Training(how.processes, how.launcher, how.strategy),  # type: ignore[arg-type]
    )
