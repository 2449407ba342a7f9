"""Every block, stage and call as Markdown tables: docs/reference.md, made from the tables the checks use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nesyc.checks.function_types import FUNCTION_TYPES, ITEM_FUNCTION_TYPES
from nesyc.checks.kinds import (
    REQUIRED,
    AnyOf,
    CallOf,
    Choice,
    FilePath,
    Kind,
    ListOf,
    Names,
    Options,
    Parameter,
    Raw,
    Ref,
    Scalar,
    Signature,
    Target,
    United,
    Word,
)
from nesyc.checks.messages import one_of
from nesyc.checks.signatures import BLOCKS, BUILT_IN_SCORES, CALLS, STAGES, TRAINING_TASKS
from nesyc.checks.value_words import noun

HEAD = """\
# Reference

Every key of every block and every argument of every call, with its kind and default, made from the tables that `nesyc check` uses (`pytest
--update-golden` writes this page anew). **Bold** ones have to be given. A word is written `.word`; `a | b` are choices. What the parts mean together
stands in [language.md](language.md).
"""
GROUPS = {
    "Endpoints of teachers": ("openai_compatible", "vllm", "endpoint.hf", "recorded", "program", "usd_per_million", "limits", "env"),
    "Bases and adapters of students": ("hf", "local", "gguf", "scratch", "lora", "dora", "qlora", "full"),
    "Sources of splits": ("jsonl", "csv", "parquet", "json", "hf_dataset", "generate", "hash_split"),
    "Fact files": ("facts.csv", "facts.jsonl", "facts.parquet", "facts.triples", "facts.sqlite", "facts.wikidata"),
    "Knowledge bases": ("sqlite", "top_proofs", "origin_cap", "embed"),
    "Answer parsers": ("last_match", "first_match", "after_last", "number", "choice", "boxed", "json_field", "rest"),
    "Metrics": ("mean", "sum", "min", "max"),
    "Retrieval": ("hybrid", "fulltext", "nearest", "confidence", "tuned", "tokens"),
    "Losses": ("kl", "reverse_kl", "jsd", "tvd", "ramp"),
    "Answers and evaluations": ("weighted", "contradicts", "bootstrap"),
}  # fmt: skip


def reference_page() -> str:
    """The whole page, with a line end."""
    parts = [HEAD, "## Blocks\n"]
    parts += [part for signature in BLOCKS.values() for part in _table(signature)]
    parts.append("## Stages\n")
    parts += [part for name in STAGES for part in _table(CALLS[name])]
    parts.append("Training tasks: " + ", ".join(f"`.{name}`" for name in TRAINING_TASKS) + ".\n")
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [part for name in names for part in _table(CALLS[name])]
    parts += ["## Functions in rules, filters and metrics\n", *_functions()]
    parts.append(
        "Scores that every evaluation has: " + ", ".join(f"`{name}`" for name in BUILT_IN_SCORES) + "."
    )
    return "\n".join(parts).rstrip() + "\n"


def undocumented() -> set[str]:
    """The calls that no part of the page has; a test holds that there are none."""
    shown = {*STAGES, *(name for names in GROUPS.values() for name in names), *ITEM_FUNCTION_TYPES}
    return CALLS.keys() - shown


def _table(signature: Signature) -> Iterator[str]:
    if signature.id in ITEM_FUNCTION_TYPES:
        return
    yield f"### {signature.name}\n"
    if not signature.parameters:
        more = _kind(signature.rest) if signature.rest else ""
        yield f"Takes {more}, any number of them.\n" if more else "No settings.\n"
        return
    yield "| key | kind | default |\n|---|---|---|"
    for number, parameter in enumerate(signature.parameters):
        needed = parameter.default is REQUIRED
        name = f"**{parameter.name}**" if needed else parameter.name
        placed = " (also by place)" if number < signature.positional else ""
        yield f"| {name}{placed} | {_cell(_kind(parameter.kind))} | {'' if needed else _default(parameter)} |"
    if signature.extra is not None:
        yield f"\nFurther arguments by name: {_kind(signature.extra)}."
    if signature.rest is not None:
        yield f"\nFurther arguments by place: {_kind(signature.rest)}."
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(parameter: Parameter) -> str:
    value, kind = parameter.default, parameter.kind
    if isinstance(value, str) and isinstance(kind, Choice) and not kind.bare:
        return f"`.{value}`"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f".{item}" for item in value) + "]`"
    return f"`{value}`" if value != {} else "none"


def _kind(kind: Kind) -> str:
    match kind:
        case Scalar():
            return _scalar(kind)
        case Choice():
            return " | ".join(f"`{'' if kind.bare else '.'}{word}`" for word in kind.words)
        case Ref():
            return " or ".join(kind.kinds)
        case United():
            return f"{one_of(noun(name) for name in kind.kinds)}, united by `+`"
        case ListOf():
            return f"list of {_kind(kind.item)}"
        case Names():
            return "field names, `(a, b)`"
        case Word():
            return "a name"
        case CallOf():
            return " | ".join(f"`{name.rpartition('.')[2]}(...)`" for name in kind.functions)
        case Options():
            return "`{ key = value, ... }`, passed through"
        case FilePath():
            return "a path"
        case Target():
            return '`"module:function"`'
        case Raw():
            return "an expression"
        case AnyOf():
            return " | ".join(_kind(option) for option in kind.kinds)


def _scalar(kind: Scalar) -> str:
    limits = []
    if kind.above is not None:
        limits.append(f"above {kind.above:g}")
    if kind.minimum is not None:
        limits.append(f"at least {kind.minimum:g}")
    if kind.maximum is not None:
        limits.append(f"at most {kind.maximum:g}")
    text = f"{kind.base}, {', '.join(limits)}" if limits else kind.base
    return f"{text}, or `env(...)`" if kind.env else text


def _functions() -> Iterable[str]:
    yield "| function | gives |\n|---|---|"
    for name, (arguments, result) in ITEM_FUNCTION_TYPES.items():
        taken = ", ".join(str(argument) for argument in arguments) if arguments is not None else "..."
        note = (
            ""
            if name in FUNCTION_TYPES
            else ": the first has the words of the second, side by side; not in rules"
        )
        yield f"| `{name}({taken})` | {result}{note} |"
    yield "| `known(x)` | bool: whether a nullable value is there |\n"
