"""What `nesyc serve` answers: the objects of the commands' contracts, from one open session."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nesyc.diagnostics import Diagnostic
    from nesyc.ir import nodes
    from nesyc_runtime.kb.store import Store
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
        from nesyc.cli.current import resolve_build, spec_of
        from nesyc.cli.output import stderr_console
        from nesyc.cli.session import open_session, runtime_project
        from nesyc_runtime.report.progress import ConsoleReporter

        asked = self._asked
        build, compiled = resolve_build(asked.spec, asked.build, asked.profile, asked.params, quiet=True)
        if self._ctx is None or self._ctx.build.manifest != build.manifest:
            self.close()
            reporter = self._stack.enter_context(ConsoleReporter(stderr_console()))
            project = runtime_project(self._spec_file())
            self._ctx = self._stack.enter_context(open_session(build, project, reporter))
            self._spec = spec_of(compiled)
        return self._ctx

    def _spec_file(self) -> Path:
        from nesyc.cli.current import choose

        asked = self._asked
        return choose(asked.spec, asked.build, asked.profile, asked.params)[0].spec

    def _ask(self, given: dict[str, Any]) -> dict[str, Any]:
        import json

        from nesyc_runtime.stages.ask import answer_policy, ask, read_inputs

        ctx = self._context()
        policy = answer_policy(ctx.spec, given.get("task"))
        inputs = json.dumps(given["input"]) if "input" in given else None
        return ask(ctx, policy, read_inputs(ctx.spec, ctx.task(policy.task), given.get("text"), inputs))

    def _query(self, given: dict[str, Any]) -> dict[str, Any]:
        from nesyc.emit.sql import emit_query
        from nesyc.ir.query import lower_query
        from nesyc_runtime.kb.query import query

        checked, declared, text = self._kb(given, "query")
        lowered = lower_query(checked, text, declared.name)
        _refuse(text, "<query>", lowered.diagnostics)
        compiled = emit_query(declared, lowered.literals, lowered.columns).to_json()
        with self._store(declared.name) as store:
            return query(store, compiled, limit=_limit(given))

    def _why(self, given: dict[str, Any]) -> dict[str, Any]:
        from nesyc_runtime.kb.why import why

        checked, declared, text = self._kb(given, "fact")
        relation, values = _fact(checked, declared, text)
        with self._store(declared.name) as store:
            return why(store, relation, values, limit=_limit(given))

    def _whynot(self, given: dict[str, Any]) -> dict[str, Any]:
        from nesyc_runtime.kb.whynot import whynot

        checked, declared, text = self._kb(given, "fact")
        relation, values = _fact(checked, declared, text)
        with self._store(declared.name) as store:
            return whynot(store, relation, values)

    def _retrieve(self, given: dict[str, Any]) -> dict[str, Any]:
        from nesyc.cli.retrieve import contract, search

        ctx = self._context()
        return contract(search(ctx.build, ctx.project, _given(given, "name"), [_given(given, "text")])[0])

    def _kb(self, given: dict[str, Any], field: str) -> tuple[nodes.Spec, nodes.Kb, str]:
        from nesyc.ir.query import find_kb

        self._context()
        assert self._spec is not None
        try:
            return self._spec, find_kb(self._spec, given.get("kb")), _given(given, field)
        except KeyError as error:
            raise _bad(str(error.args[0]), 'name it:  "kb": "NAME"') from None

    def _store(self, kb: str) -> Store:
        from nesyc_runtime.kb.open import choose_kb, open_kb

        ctx = self._context()
        return open_kb(ctx.build, ctx.project, choose_kb(ctx.spec, kb))


def _fact(checked: nodes.Spec, declared: nodes.Kb, text: str) -> tuple[str, tuple[Any, ...]]:
    from nesyc.ir.query import AnyValue, lower_fact

    lowered = lower_fact(checked, text, declared.name)
    _refuse(text, "<fact>", lowered.diagnostics)
    if any(isinstance(value, AnyValue) for value in lowered.values):
        raise CliError(f"`{text}` stands for many facts: `_` is any value", "ask which hold with a query")
    return lowered.relation, lowered.values


def _refuse(text: str, name: str, diagnostics: Sequence[Diagnostic]) -> None:
    from nesyc.diagnostics import SourceMap, to_json

    if diagnostics:
        raise BadRequest(to_json(diagnostics, SourceMap({name: text})))


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
