"""One call to a server that speaks the OpenAI chat protocol, and what each failure means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.teachers.likely import Likely, likely_of

MAX_BODY = 16 * 1024 * 1024  # bytes; a longer answer is garbage
REFUSED = frozenset({400, 413, 422})  # this request, not the server
WRONG_SETUP = frozenset({401, 403, 404, 405})


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    prompt_tokens: int
    completion_tokens: int
    likely: Likely | None = None


class Retry(Exception):
    """The call failed as another try may mend; `after` is how long the server asks to wait, in seconds."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


class EmptyReply(Retry):
    """A well-formed reply without text."""


class RequestRefused(Exception):
    """The server will not answer this request, however often it is asked."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to call; the key is never part of a message or a repr."""

    url: str
    model: str
    key: str | None
    timeout: float
    max_tokens: int

    def __repr__(self) -> str:
        return f"Server({self.shown_url}, {self.model})"

    @property
    def endpoint(self) -> str:
        base = self.url.rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"

    @property
    def shown_url(self) -> str:
        """Scheme, host and port: a URL may carry a password or a token elsewhere."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")

    def scrub(self, text: str) -> str:
        """`text` fit for a message: the key, where a server echoes it, is taken out."""
        if self.key:
            text = text.replace(self.key, "***")
        return printable(text)


def check_url(url: str, teacher: str) -> None:
    """Raises `UserError` where `url` is no http(s) address."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        fine = False
    if not fine:
        raise UserError(f"teacher {teacher}: its url is no http(s) address", "e.g. http://localhost:8000/v1")


async def call(client: httpx.AsyncClient, server: Server, body: Mapping[str, Any]) -> Reply:
    """POST one chat request.

    Raises `Retry` (429, 5xx, timeout, no connection, garbage), `EmptyReply`, `RequestRefused` (400, 413,
    422, content filter), `UserError` (401, 403, 404, 405: key, url or model are wrong).
    """
    headers = {"Authorization": f"Bearer {server.key}"} if server.key else {}
    try:
        async with client.stream("POST", server.endpoint, json=dict(body), headers=headers) as response:
            content = await _read(response)
    except httpx.TimeoutException:
        raise Retry(f"no answer within {server.timeout:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise Retry(server.scrub(f"{type(error).__name__} {error}".strip())) from None
    _check_status(server, response, content)
    return _parse(content)


async def _read(response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_BODY:
            raise Retry(f"the answer is longer than {MAX_BODY} bytes")
        parts.append(part)
    return b"".join(parts)


def _check_status(server: Server, response: httpx.Response, content: bytes) -> None:
    status = response.status_code
    if status == 200:
        return
    said = server.scrub(content[:300].decode("utf-8", "replace").strip())
    reason = f"HTTP {status}" + (f": {said}" if said else "")
    if status in WRONG_SETUP:
        raise UserError(
            f"the server at {server.shown_url} refuses: {reason}",
            "check the teacher's url, model and key; answers so far are kept",
        )
    if status in REFUSED:
        raise RequestRefused(reason)
    raise Retry(reason, _retry_after(response.headers.get("retry-after")))


def _retry_after(text: str | None) -> float | None:
    """Seconds from a Retry-After header; a date there is ignored (its clock is not ours)."""
    try:
        seconds = float(text) if text is not None else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < float("inf") else None


def _parse(content: bytes) -> Reply:
    try:
        body = json.loads(content)
        choice = body["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise Retry("the answer is not of the chat protocol") from None
    if text is not None and not isinstance(text, str):
        raise Retry("the answer is not of the chat protocol")
    if choice.get("finish_reason") == "content_filter":
        raise RequestRefused("content filter")
    if not text or not text.strip():
        raise EmptyReply("the answer is empty")
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(
        text,
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        likely_of(choice.get("logprobs")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
