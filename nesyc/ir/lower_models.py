"""Teachers, students, embedders."""

from __future__ import annotations

from typing import Any

from nesyc.checks.kinds import Bound, Located, Symbol
from nesyc.ir import nodes
from nesyc.ir.context import Lowering, lower_env, lower_path


def lower_teachers(to: Lowering) -> tuple[nodes.Teacher, ...]:
    found = []
    for name, node in to.tables.symbols.teachers.items():
        bound = to.tables.blocks["teacher", name]
        fallback, price = bound["fallback"], bound["price"]
        found.append(
            nodes.Teacher(
                name,
                _endpoint(bound["endpoint"]),
                nodes.Price(price["input"], price["output"]) if isinstance(price, Bound) else None,
                _limits(bound["limits"]),
                bound["system"],
                fallback.id if isinstance(fallback, Symbol) else None,
                to.at(node.name.span),
            )
        )
    return tuple(found)


def _limits(value: Any) -> nodes.Limits:
    if not isinstance(value, Bound):
        return nodes.Limits(in_flight=20)
    return nodes.Limits(value["max_usd"], value["rpm"], value["in_flight"], value["retries"])


def _endpoint(bound: Bound) -> nodes.Endpoint:
    match bound.name:
        case "recorded":
            join = tuple(name.text for name in bound["join"])
            return nodes.RecordedEndpoint(lower_path(bound["path"]), join, bound["text"].text)
        case "program":
            return nodes.ProgramEndpoint(bound["target"])
        case "hf":
            return nodes.LocalEndpoint(bound["name"], bound["temperature"], bound["max_tokens"])
        case _:
            key = bound["key"]
            return nodes.ServerEndpoint(
                lower_env(bound["model"]),
                lower_env(bound["url"]),
                None if key is None else lower_env(key),
                bound["temperature"],
                bound["max_tokens"],
                bound["timeout"],
                "vllm" if bound.name == "vllm" else "openai_compatible",
                bound["top_logprobs"],
            )


def lower_students(to: Lowering) -> tuple[nodes.Student, ...]:
    found = []
    for name, node in to.tables.symbols.students.items():
        bound = to.tables.blocks["student", name]
        found.append(
            nodes.Student(
                name,
                lower_base(to, bound["base"]),
                _adapter(bound["adapter"], bound["base"].name),
                bound["max_tokens"],
                bound["max_new_tokens"],
                bound["template"],
                dict(bound["options"]),
                to.at(node.name.span),
            )
        )
    return tuple(found)


def lower_embedders(to: Lowering) -> tuple[nodes.Embedder, ...]:
    found = []
    for name, node in to.tables.symbols.embedders.items():
        bound = to.tables.blocks["embedder", name]
        found.append(nodes.Embedder(name, lower_base(to, bound["base"]), bound["dim"], to.at(node.name.span)))
    return tuple(found)


def lower_base(to: Lowering, bound: Bound) -> nodes.Base:
    """The model a student or an embedder starts from."""
    match bound.name:
        case "hf":
            return nodes.Base("hf", name=bound["name"], revision=bound["revision"])
        case "local":
            return nodes.Base("local", path=lower_path(bound["path"]))
        case "gguf":
            if bound["package"] is not None:
                return nodes.Base("gguf", package=bound["package"], file=bound["file"])
            located = to.tables.paths.locate(bound["file"], bound.span_of("file"))
            assert isinstance(located, Located)
            return nodes.Base("gguf", path=lower_path(located))
        case _:
            given = {key: value for key, value in bound.values.items() if value is not None}
            return nodes.Base("scratch", architecture=given)


def _adapter(value: Any, base: str) -> nodes.Adapter:
    """A student made from scratch has nothing to adapt: it trains whole."""
    if value is None:
        return nodes.Adapter("full") if base == "scratch" else nodes.Adapter("lora", 8, 16)
    if isinstance(value, str):
        return nodes.Adapter("full") if value == "full" else nodes.Adapter(value, 8, 16)  # type: ignore[arg-type]
    assert isinstance(value, Bound)
    if value.name == "full":
        return nodes.Adapter("full")
    alpha = value["alpha"] if value["alpha"] is not None else 2 * value["rank"]
    kind: Any = value.name
    return nodes.Adapter(kind, value["rank"], alpha, value["dropout"], value["targets"])
