"""A teacher behind an HTTP server: many calls in flight, retries, limits, nothing answered lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from nesyc_runtime import config
from nesyc_runtime.errors import Stopped, UserError
from nesyc_runtime.teachers.base import Answer, Dropped, OnAnswer, Request
from nesyc_runtime.teachers.http import (
    EmptyReply,
    Reply,
    RequestRefused,
    Retry,
    Server,
    call,
    check_url,
)
from nesyc_runtime.teachers.limits import Budget, Pace

LONGEST_WAIT = 120.0  # seconds; a server that asks for more is down for now
FIRST_REFUSALS = 8  # so many refusals and no answer: it is the setup, not the items
STRUCTURED = "response_format"  # the part of a request that some servers do not know
RETRY_WAIT = wait_random_exponential(multiplier=0.5, max=30)


class ServerTeacher:
    """`openai_compatible` and `vllm`.

    Answers are reported as they come; the first call that fails for good ends the asking with `Stopped`.
    """

    stored = True

    def __init__(
        self, teacher: config.Teacher, endpoint: config.ServerEndpoint, env: Mapping[str, str], budget: Budget
    ) -> None:
        self.name = teacher.name
        self._limits, self._budget = teacher.limits, budget
        self._temperature, self._top_logprobs = endpoint.temperature, endpoint.top_logprobs
        url = resolve(endpoint.url, env, teacher.name)
        check_url(url, teacher.name)
        model = resolve(endpoint.model, env, teacher.name)
        key = None if endpoint.key is None else resolve(endpoint.key, env, teacher.name)
        self._server = Server(url, model, key, endpoint.timeout, endpoint.max_tokens)
        self.identity: Mapping[str, Any] = {
            "kind": "server",
            "model": model,
            # a url in the spec is a choice of the spec, one from the environment where a server stands today
            "url": "" if isinstance(endpoint.url, config.EnvRef) else self._server.shown_url,
            "temperature": endpoint.temperature,
            "max_tokens": endpoint.max_tokens,
            # an answer that came without them is asked for again; a spec that wants none keeps its keys
            **({"top_logprobs": endpoint.top_logprobs} if endpoint.top_logprobs else {}),
        }

    def ask(self, requests: Sequence[Request], on_answer: OnAnswer) -> None:
        asyncio.run(
            _Asking(self._server, self._limits, self._budget, self.name, on_answer).run(
                [self._body(request) for request in requests]
            )
        )

    def _body(self, request: Request) -> dict[str, Any]:
        messages = [{"role": "user", "content": request.prompt}]
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        temperature = self._temperature if request.temperature is None else request.temperature
        body = {
            "model": self._server.model,
            "messages": messages,
            "temperature": temperature,
            "max_tokens": self._server.max_tokens,
        }
        if self._top_logprobs and request.kind == "sample":
            body |= {"logprobs": True, "top_logprobs": self._top_logprobs}
        if request.schema is not None:
            wanted = {"name": "answer", "strict": True, "schema": dict(request.schema)}
            body[STRUCTURED] = {"type": "json_schema", "json_schema": wanted}
        return body


class _Asking:
    """One round of calls: workers take bodies in order until all are answered or one fails for good."""

    def __init__(
        self, server: Server, limits: config.Limits, budget: Budget, name: str, on_answer: OnAnswer
    ) -> None:
        self._server, self._limits, self._budget, self._name = server, limits, budget, name
        self._on_answer = on_answer
        self._pace = Pace(limits.rpm)
        self._answered = self._left_out = 0
        self._stopping = False
        self._structured = True  # until the server refuses to give an answer a form

    async def run(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        queue = iter(enumerate(bodies))
        size = max(1, min(self._limits.in_flight, len(bodies)))
        pool = httpx.Limits(max_connections=size, max_keepalive_connections=size)
        async with httpx.AsyncClient(
            timeout=self._server.timeout, limits=pool, follow_redirects=False, trust_env=True
        ) as client:
            tasks = [asyncio.ensure_future(self._work(client, queue)) for _ in range(size)]
            try:
                await asyncio.gather(*tasks)
            except BaseException:
                await self._finish(tasks)
                raise

    async def _finish(self, tasks: Sequence[asyncio.Future[None]]) -> None:
        """Calls in flight are paid for already: those that answer soon are kept, the rest given up."""
        self._stopping = True
        _, pending = await asyncio.wait(tasks, timeout=min(self._server.timeout, 10.0))
        for task in pending:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, client: httpx.AsyncClient, queue: Any) -> None:
        for position, body in queue:
            if self._stopping:
                return
            answer = await self._one(client, body)
            self._on_answer(position, answer)

    async def _one(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Answer | Dropped:
        worst = self._worst_case(body)
        await self._budget.reserve(worst)
        paid = 0.0
        try:
            reply = await self._in_form(client, body)
            paid = self._budget.cost(reply.prompt_tokens, reply.completion_tokens)
            self._answered += 1
            return Answer(reply.text, (reply.prompt_tokens, reply.completion_tokens), paid, reply.likely)
        except RequestRefused as error:
            return self._leave_out("refused", str(error))
        except EmptyReply as error:
            return self._leave_out("empty", error.reason)
        except Retry as error:
            raise self._stopped(error.reason) from None
        finally:
            self._budget.settle(worst, paid)

    async def _in_form(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Reply:
        """Ask in the form wanted; of a server that refuses it, without: the answer is checked in any case."""
        plain = {name: value for name, value in body.items() if name != STRUCTURED}
        if plain == body or not self._structured:
            return await self._retried(client, plain)
        try:
            return await self._retried(client, body)
        except RequestRefused:
            reply = await self._retried(client, plain)
            self._structured = False
            return reply

    async def _retried(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> Reply:
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(self._limits.retries + 1),
            wait=_wait,
            retry=retry_if_exception_type(Retry),
            reraise=True,
        ):
            with attempt:
                if self._stopping and attempt.retry_state.attempt_number > 1:
                    raise asyncio.CancelledError
                await self._pace.wait()
                try:
                    return await call(client, self._server, body)
                except Retry as error:
                    if error.after is not None and error.after > LONGEST_WAIT:
                        raise self._stopped(f"{error.reason}; it asks to wait {error.after:g} s") from None
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _leave_out(self, reason: Any, said: str) -> Dropped:
        self._left_out += 1
        if not self._answered and self._left_out >= FIRST_REFUSALS:
            raise UserError(
                f"teacher {self._name}: all of the first {self._left_out} requests were {reason}: {said}",
                "check its model, max_tokens and prompt",
            )
        return Dropped(reason)

    def _stopped(self, reason: str) -> Stopped:
        return Stopped(
            f"teacher {self._name} at {self._server.shown_url} does not answer: {reason}",
            "every answer so far is kept; run the same command again when it is back",
        )

    def _worst_case(self, body: Mapping[str, Any]) -> float:
        """USD at most: no token is shorter than a byte of the prompt, and the reply ends at max_tokens."""
        size = sum(len(message["content"].encode("utf-8", "replace")) + 16 for message in body["messages"])
        return self._budget.cost(size, self._server.max_tokens)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Retry) and error.after is not None:
        return error.after
    return float(RETRY_WAIT(state))


def resolve(value: str | config.EnvRef, env: Mapping[str, str], teacher: str) -> str:
    """A setting's text, read from the environment where it is `env(...)`; raises `UserError` where unset."""
    if isinstance(value, str):
        return value
    text = env.get(value.name, "").strip()
    if not text:
        raise UserError(
            f"teacher {teacher}: the environment variable {value.name} is not set",
            f"export {value.name}=..., or name a `fallback` teacher",
        )
    return text
