"""A real HTTP server that speaks the OpenAI chat protocol, and misbehaves on request."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


@dataclass
class ChatServer:
    """`script` is used up call by call, then `default` serves; `calls` are the bodies received.

    `say` is what it answers in place of an echo; a body with the key `refuses` gets status 400.
    """

    url: str = ""
    script: list[str] = field(default_factory=list)
    default: str = "answer"
    calls: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    delay: float = 0.0
    say: str | None = None
    refuses: str | None = None

    async def handle(self, request: Request) -> Response:
        body = await request.json()
        self.calls.append(body)
        self.keys.append(request.headers.get("authorization"))
        if self.refuses in body:
            return JSONResponse({"error": f"unknown {self.refuses}"}, 400)
        what = self.script.pop(0) if self.script else self.default
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delay)
            return await self._answer(what, body, request)
        finally:
            self.in_flight -= 1

    async def _answer(self, what: str, body: dict[str, Any], request: Request) -> Response:
        prompt = body["messages"][-1]["content"]
        match what:
            case "answer":
                text = self.say or f"echo {prompt}"
                return JSONResponse(chat(text, likely=body.get("top_logprobs")))
            case "429":
                return JSONResponse({"error": "slow down"}, 429, headers={"Retry-After": "0.05"})
            case "429 for an hour":
                return JSONResponse({"error": "slow down"}, 429, headers={"Retry-After": "3600"})
            case "echo key":
                return JSONResponse({"error": f"bad key {request.headers.get('authorization')}\x1b[2J"}, 500)
            case "garbage":
                return Response(b"\x00\xff<html>", media_type="application/json")
            case "no choices":
                return JSONResponse({"choices": []})
            case "null":
                return JSONResponse(chat(None))
            case "empty":
                return JSONResponse(chat("  "))
            case "filter":
                return JSONResponse(chat("", "content_filter"))
            case "hang":
                await asyncio.sleep(30)
                return Response()
            case "close":
                raise ConnectionResetError
            case status:
                return JSONResponse({"error": f"status {status}"}, int(status))


def chat(text: str | None, finish: str = "stop", likely: int | None = None) -> dict[str, Any]:
    """The body of a reply; `likely` tokens at each character, the character itself and others."""
    message = {"role": "assistant", "content": text}
    choice: dict[str, Any] = {"message": message, "finish_reason": finish}
    if likely and text:
        choice["logprobs"] = {"content": positions(text, likely)}
    return {
        "choices": [choice],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    }


def positions(text: str, count: int) -> list[dict[str, Any]]:
    return [likeliest(character, count) for character in text]


def likeliest(character: str, count: int) -> dict[str, Any]:
    """A position as the protocol has it: half of what is left goes to each next token."""
    others = [chr(ord("a") + number) for number in range(26) if chr(ord("a") + number) != character]
    tokens = [character, *others][:count]
    top = [
        {"token": token, "logprob": math.log(0.5 ** (place + 1)), "bytes": list(token.encode())}
        for place, token in enumerate(tokens)
    ]
    return {**top[0], "top_logprobs": top}
