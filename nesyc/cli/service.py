"""What `nesyc serve` answers: the objects of the commands' contracts, from one open session."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc.cli.questions import compiled_query, ground

if TYPE_CHECKING:
    from collections.abc import Callable

    from nesyc.ir import nodes
    from nesyc_runtime.kb.storage.store import Store
    from nesyc_runtime.stages.context import Context


class BadRequest(Exception):
    """A request that cannot be answered; `value` is the object that says why."""

    def __init__(self, value: dict[str, Any]) -> None:
        super().__init__()
        self.value = value


@dataclass(frozen=True, slots=True)
class Asked:
    """The spec, build, profile and params that `serve` was started with."""

    spec: Path | None
    build: Path | None
    profile: str | None
    params: dict[str, str]


class Service:
    """Answers one request at a time; a source that changed is compiled again before the next, as by any command.

    Everything is opened in the thread that asks first and has to be asked there: SQLite's connections stay in theirs.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._stack = ExitStack()
        self._ctx: Context | None = None
        self._spec: nodes.Spec | None = None

    def close(self) -> None:
        self._ctx = None
        self._stack.close()

    def answer(self, what: str, given: dict[str, Any]) -> dict[str, Any]:
        """The object that the command `what` prints. Raises `BadRequest`, and what commands raise."""
        answers: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], dict[str, type]]] = {
            "ask": (self._ask, {"text": str, "input": dict, "task": str}),
            "query": (self._query, {"query": str, "kb": str, "limit": int}),
            "why": (self._why, {"fact": str, "kb": str, "limit": int}),
            "whynot": (self._whynot, {"fact": str, "kb": str}),
            "retrieve": (self._retrieve, {"name": str, "text": str}),
        }
        answer, fields = answers[what]
        for name, value in given.items():
            if name not in fields:
                raise _bad(f"`{what}` takes no `{name[:60]}`", f"it takes {', '.join(fields)}")
            if not isinstance(value, fields[name]) or isinstance(value, bool):
                raise _bad(f"`{name}` is no {_words(fields[name])}", "")
        return answer(given)

    def _context(self) -> Context:
        """The open session, opened again where the sources changed."""
        from nesyc.cli.current import choose, resolve_build, spec_of
        from nesyc.cli.output import stderr_console
        from nesyc.cli.session import open_session, runtime_project
        from nesyc_runtime.report.progress import ConsoleReporter

        given = (self._asked.spec, self._asked.build, self._asked.profile, self._asked.params)
        build, compiled = resolve_build(*given, quiet=True)
        if self._ctx is None or self._ctx.build.manifest != build.manifest:
            self.close()
            reporter = self._stack.enter_context(ConsoleReporter(stderr_console()))
            project = runtime_project(choose(*given)[0].spec)
            self._ctx = self._stack.enter_context(open_session(build, project, reporter))
            self._spec = spec_of(compiled)
        return self._ctx

    def _ask(self, given: dict[str, Any]) -> dict[str, Any]:
        import json

        from nesyc_runtime.stages.ask import answer_policy, ask, read_inputs

        ctx = self._context()
        policy = answer_policy(ctx.spec, given.get("task"))
        inputs = json.dumps(given["input"]) if "input" in given else None
        return ask(ctx, policy, read_inputs(ctx.spec, ctx.task(policy.task), given.get("text"), inputs))

    def _query(self, given: dict[str, Any]) -> dict[str, Any]:
        from nesyc_runtime.kb.rules.query import query

        checked, declared, store = self._kb(given)
        compiled = compiled_query(checked, declared, _given(given, "query"))
        return query(store, compiled, limit=_limit(given))

    def _why(self, given: dict[str, Any]) -> dict[str, Any]:
        from nesyc_runtime.kb.proofs.why import why

        checked, declared, store = self._kb(given)
        return why(store, *ground(checked, declared, _given(given, "fact")), limit=_limit(given))

    def _whynot(self, given: dict[str, Any]) -> dict[str, Any]:
        from nesyc_runtime.kb.proofs.whynot import whynot

        checked, declared, store = self._kb(given)
        return whynot(store, *ground(checked, declared, _given(given, "fact")), limit=_limit(given))

    def _retrieve(self, given: dict[str, Any]) -> dict[str, Any]:
        from nesyc.cli.retrieve import block_named, contract

        ctx = self._context()
        block = block_named(ctx.spec, _given(given, "name"))
        text = _given(given, "text")
        self._store(ctx, block.kb)
        return contract(ctx.knowledge.search(block, [text])[0])

    def _kb(self, given: dict[str, Any]) -> tuple[nodes.Spec, nodes.Kb, Store]:
        from nesyc.ir.query import find_kb

        ctx = self._context()
        assert self._spec is not None
        try:
            declared = find_kb(self._spec, given.get("kb"))
        except KeyError as error:
            raise _bad(str(error.args[0]), 'name it:  "kb": "NAME"') from None
        return self._spec, declared, self._store(ctx, declared.name)

    @staticmethod
    def _store(ctx: Context, kb: str) -> Store:
        """The open store; what another process wrote since is derived from first."""
        from nesyc_runtime.kb.open import bring_in_step

        store: Store = ctx.knowledge.store(kb)
        bring_in_step(store, ctx.project)
        return store


def _limit(given: dict[str, Any]) -> int:
    limit = int(given.get("limit", 1000))
    if limit < 0:
        raise _bad("`limit` is less than 0", "0 means all")
    return limit


def _given(given: dict[str, Any], name: str) -> str:
    if name not in given:
        raise _bad(f"`{name}` is missing", f'give it:  "{name}": "..."')
    return str(given[name])


def _words(kind: type) -> str:
    return {str: "text", int: "whole number", dict: "object"}[kind]


def _bad(message: str, help: str) -> BadRequest:
    return BadRequest({"v": 1, "ok": False, "error": {"message": message, "help": help}})
