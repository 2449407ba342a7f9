"""`nesyc serve`: the answers of `ask`, `query`, `why`, `whynot` and `retrieve` over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.options import BuildOption, ParamOption, ProfileOption, SpecOption, parse_params

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from nesyc.cli.service import Service

COMMANDS = ("ask", "query", "why", "whynot", "retrieve")
LARGEST = 1_000_000  # bytes of a request

HostOption = Annotated[
    str, typer.Option("--host", help="The address to listen at: by default this machine alone.")
]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")]


def serve(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8414,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
) -> None:
    """Answer over HTTP: POST /ask, /query, /why, /whynot, /retrieve, each with and to one JSON object."""
    from nesyc.cli.errors import CliError
    from nesyc.cli.output import stderr_console
    from nesyc.cli.service import Asked, Service
    from nesyc.cli.session import open_build

    try:
        import uvicorn

        app = application(Service(Asked(spec, build, profile, parse_params(param))))
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "starlette"):
            raise
        raise CliError(f"`nesyc serve` needs {error.name}", "pip install nesyc[serve]") from None
    open_build(
        spec, build, profile, parse_params(param)
    )  # a spec with errors ends here, not at the first request
    with _listening(host, port) as listener:
        # uvicorn is silent about a socket that it is given
        shown = f"[{host}]" if ":" in host else host
        stderr_console().print(f"listening at http://{shown}:{listener.getsockname()[1]}", markup=False)
        with suppress(KeyboardInterrupt):  # ctrl-C is how a server ends
            uvicorn.Server(uvicorn.Config(app, log_level="info")).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises `CliError` where it cannot be had."""
    from nesyc.cli.errors import CliError

    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except socket.gaierror:
        raise CliError(
            f"there is no host `{host}` here", "take --host 127.0.0.1 for this machine alone"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0].lower()
        raise CliError(
            f"cannot listen at {host}:{port}: {reason}", "take another port: --port 0 finds a free one"
        ) from None


def application(service: Service) -> Starlette:
    """The HTTP application; one thread answers, a request after the other."""
    from contextlib import asynccontextmanager

    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nesyc")

    async def respond(request: Request) -> JSONResponse:
        what = request.path_params["what"]
        if what not in COMMANDS:
            return JSONResponse(_error("there is no such path", f"there are {_paths()}"), 404)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return JSONResponse(_error("the request is too long", f"at most {LARGEST} bytes"), 413)
        value, status = await asyncio.get_running_loop().run_in_executor(thread, _answer, service, what, body)
        return JSONResponse(value, status)

    async def refuse(request: Request, error: Exception) -> JSONResponse:
        status = getattr(error, "status_code", 500)
        helped = "POST one JSON object" if status == 405 else f"there are {_paths()}"
        return JSONResponse(
            _error(f"{request.method} {request.url.path[:60]}: no such request", helped), status
        )

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"v": 1, "ok": True})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        yield
        thread.submit(service.close).result()
        thread.shutdown()

    routes = [Route("/health", health), Route("/{what}", respond, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: refuse})


def _paths() -> str:
    return ", ".join(f"/{name}" for name in COMMANDS)


def _answer(service: Service, what: str, body: bytes) -> tuple[dict[str, Any], int]:
    """The object and the HTTP status of one request; whatever it holds, no exception leaves this."""
    from nesyc.cli.errors import CliError, SpecErrors, TextErrors
    from nesyc.cli.service import BadRequest
    from nesyc.diagnostics import to_json

    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return _error("the request is no JSON", 'send one object:  {"text": "..."}'), 400
    if not isinstance(given, dict):
        return _error("the request is no JSON object", 'send one:  {"text": "..."}'), 400
    try:
        return service.answer(what, given), 200
    except BadRequest as error:
        return error.value, 400
    except TextErrors as error:
        return to_json(error.diagnostics, error.sources), 400
    except SpecErrors as error:
        return to_json(error.diagnostics, error.loaded.sources), 500
    except CliError as error:
        return _error(error.message, error.help), 400
    except Exception as error:
        message = getattr(error, "message", None)
        if isinstance(message, str):  # an error of the runtime says itself what to do
            return _error(str(error), getattr(error, "help", "")), 400
        logging.getLogger("uvicorn.error").exception("/%s", what)
        return _error(f"a bug in nesyc: {type(error).__name__}", "see the server's log"), 500


def _error(message: str, help: str) -> dict[str, Any]:
    return {"v": 1, "ok": False, "error": {"message": message, "help": help}}
