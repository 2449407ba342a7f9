"""What may stand as a setting's or an argument's value, by the signature tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nesyc.checks.check_tasks import METRICS
from nesyc.checks.kinds import (
    REQUIRED,
    AnyOf,
    CallOf,
    Choice,
    Kind,
    ListOf,
    Parameter,
    Raw,
    Ref,
    Scalar,
    Signature,
    Symbol,
    United,
)
from nesyc.checks.method_use import parameter_kind
from nesyc.checks.references import STAGE_KINDS
from nesyc.checks.signatures import BLOCKS, CALLS, FACT_LOADERS, LOADERS, PARSERS, STAGES
from nesyc.checks.symbols import output_kind
from nesyc.checks.tables import Tables
from nesyc.checks.value_words import fits
from nesyc.server.complete.context import Context
from nesyc.server.complete.proposal import Proposal, call, names
from nesyc.syntax import nodes as ast

LISTED: dict[str, Kind] = {
    "SPLIT": CallOf((*LOADERS, "hash_split")),
    "STAGE": CallOf(STAGES),
    "PARSE": CallOf(PARSERS),
    "METRIC": CallOf(METRICS),
}
"""The kinds of values that items other than settings take after `=`."""


BEGINS = frozenset("EQUAL LPAR LSQB COMMA PLUS MINUS STAR SLASH PERCENT DOT FROM WITH COLON".split())
"""A value begins after these; after anything else it goes on, or has ended."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The value at the cursor: what kind it has, and the call whose argument it is.

    `path` names the settings and arguments around it, outermost first; `named`: an argument's name may stand here.
    """

    kind: Kind | None
    signature: Signature | None
    path: tuple[str, ...]
    given: tuple[str, ...] = ()
    named: bool = False


def find_slot(context: Context, tables: Tables) -> Slot | None:
    """The slot at the cursor; None where no value of the signature tables is meant."""
    item, before = context.item_tokens, context.before
    start = _outermost(context, tables)
    if start is None or before is None or before.kind not in BEGINS:
        return None
    name, begin = start[1:]
    kind: Kind | None = start[0]
    signature: Signature | None = None
    path: tuple[str, ...] = (name,)
    slot = Slot(kind, None, path)
    for frame in context.inner:
        if frame.opener - context.item < begin:
            continue
        bracket = item[frame.opener - context.item].kind
        if bracket == "LSQB":
            kind = next((one.item for one in _options(kind) if isinstance(one, ListOf)), kind)
            slot = Slot(kind, signature, path)
        elif bracket == "LPAR" and frame.head:
            signature = _called(kind, frame.head)
            if signature is None:
                method = _method(context, tables, frame.head)
                return _method_slot(method, frame.name, frame.given) if method else None
            parameter = signature.find(frame.name) if frame.name else None
            if parameter is None and frame.argument < signature.positional:
                parameter = signature.parameters[frame.argument]
            kind = parameter.kind if parameter else signature.rest
            path = (*path, signature.name, parameter.name if parameter else "")
            slot = Slot(kind, signature, path, frame.given, frame.name is None)
        elif bracket == "LBRACE":
            return None
    return slot


def _outermost(context: Context, tables: Tables) -> tuple[Kind, str, int] | None:
    """The kind of the item's value, its key, and where in the item the value begins."""
    item = context.item_tokens
    words = [token.text for token in item[:5]]
    kinds = [token.kind for token in item[:5]]
    if context.kind == "PIPELINE" and context.block is None and "EQUAL" in [token.kind for token in item]:
        return CallOf(()), "pipeline", 0
    if len(item) > 1 and kinds[1] == "EQUAL" and context.block is not None:
        parameter = BLOCKS[context.kind.lower()].find(words[0]) if context.kind.lower() in BLOCKS else None
        return (parameter.kind, words[0], 2) if parameter is not None else None
    if len(item) > 2 and kinds[2] == "EQUAL" and kinds[0] in LISTED:
        return LISTED[kinds[0]], kinds[0].lower(), 3
    if len(item) > 2 and kinds[0] == "FACTS" and kinds[2] == "FROM":
        return CallOf(tuple(f"facts.{name}" for name in FACT_LOADERS)), "facts", 3
    if kinds[:1] == ["COMPARE"] and len(item) > 2 and "WITH" in [token.kind for token in item]:
        return CallOf(("bootstrap",)), "compare", 1
    if context.kind == "PARAM" and "EQUAL" in kinds and len(words) > 3:
        return Scalar(words[3]), "param", kinds.index("EQUAL")
    return None


def _options(kind: Kind | None) -> tuple[Kind, ...]:
    if kind is None:
        return ()
    return kind.kinds if isinstance(kind, AnyOf) else (kind,)


def _called(kind: Kind | None, name: str) -> Signature | None:
    """The signature that a call of `name` has where `kind` is meant."""
    for option in _options(kind):
        if isinstance(option, CallOf):
            for identity in option.functions:
                if identity.rpartition(".")[2] == name:
                    return CALLS[identity]
    return CALLS.get(name)


def _method(context: Context, tables: Tables, name: str) -> ast.Method | None:
    return tables.symbols.methods.get(name) if context.kind == "PIPELINE" else None


def _method_slot(method: ast.Method, name: str | None, given: tuple[str, ...]) -> Slot:
    parameters = tuple(method_parameter(parameter) for parameter in method.params)
    signature = Signature(method.name.text, tuple(parameters))
    found = signature.find(name) if name else None
    return Slot(found.kind if found else None, signature, ("pipeline", name or ""), given, name is None)


def method_parameter(parameter: ast.MethodParam) -> Parameter:
    """A method's parameter as the tables have those of the language."""
    kind = parameter.type.name.text
    may_miss = parameter.default is not None or parameter.type.nullable
    return Parameter(parameter.name.text, parameter_kind(kind), None if may_miss else REQUIRED)


def value_proposals(context: Context, tables: Tables, slot: Slot) -> Iterator[Proposal]:
    """Everything of the slot's kind, and the names of arguments not given yet."""
    if slot.named and slot.signature is not None:
        for parameter in slot.signature.parameters:
            if parameter.name not in slot.given and not isinstance(parameter.kind, Raw):
                yield Proposal(parameter.name, "property", "argument", f"{parameter.name} = ", order=2)
    for kind in _options(slot.kind):
        yield from _of_kind(context, tables, kind)


def _of_kind(context: Context, tables: Tables, kind: Kind) -> Iterator[Proposal]:
    match kind:
        case Scalar():
            yield from _constants(context, tables, kind)
        case Choice():
            for word in kind.words:
                yield Proposal(word if kind.bare else f".{word}", "constant", order=2)
        case Ref() | United():
            yield from references(context, tables, kind.kinds)
        case CallOf():
            signatures = (CALLS[identity] for identity in kind.functions)
            yield from (call(signature) for signature in signatures)
            if context.kind == "PIPELINE" and not kind.functions:
                yield from method_calls(tables)
        case ListOf():
            yield Proposal("[...]", "keyword", "a list", "[$1]")
        case _:
            return


def method_calls(tables: Tables) -> Iterator[Proposal]:
    """The methods of the spec, called."""
    for method in tables.symbols.methods.values():
        yield call(Signature(method.name.text, tuple(method_parameter(one) for one in method.params)))


def _constants(context: Context, tables: Tables, kind: Scalar) -> Iterator[Proposal]:
    for name, constant in tables.params.items():
        if fits(constant.base, kind.base):
            yield Proposal(name, "variable", f"param: {constant.base}")
    if kind.base == "bool":
        yield from names("keyword", ("true", "false"), order=2)
    if kind.env:
        yield call(CALLS["env"])
    if kind.base in tables.symbols.enums:
        constants = tables.symbols.enums[kind.base].constants
        yield from names("constant", (f".{name}" for name in constants), kind.base, 2)
    for parameter in own_parameters(context, tables):
        if fits(parameter.type.name.text, kind.base):
            yield Proposal(parameter.name.text, "variable", f"parameter: {parameter.type.name.text}", order=2)


def own_parameters(context: Context, tables: Tables) -> tuple[ast.MethodParam, ...]:
    """The parameters of the method that holds the cursor."""
    method = tables.symbols.methods.get(context.word_at(1)) if context.kind == "METHOD" else None
    return method.params if method else ()


def references(context: Context, tables: Tables, kinds: Iterable[str]) -> Iterator[Proposal]:
    """What is declared of these kinds: with its owner's name where it has one, a stage of the own pipeline without."""
    symbols = tables.symbols
    wanted = tuple(kinds)
    for parameter in own_parameters(context, tables):
        if parameter.type.name.text in wanted:
            yield Proposal(parameter.name.text, "variable", f"parameter: {parameter.type.name.text}", order=2)
    own = own_stages(context, tables)
    for name, symbol in own.items():
        if symbol.kind in wanted:
            yield Proposal(name, "name", f"stage, gives {symbol.kind}", order=2)
    if STAGE_KINDS & set(wanted) and context.kind not in ("PIPELINE", "METHOD"):
        for identity, symbol in symbols.table["stage"].items():
            if symbol.kind in wanted:
                yield Proposal(identity, "name", f"stage, gives {symbol.kind}")
    for kind in wanted:
        for identity, symbol in symbols.table.get(kind, {}).items():
            if not symbol.is_stage:
                yield Proposal(identity, "name", kind, order=3)


def own_stages(context: Context, tables: Tables) -> dict[str, Symbol]:
    """The stages in scope by short name: those of the pipeline around the cursor, or that it evaluates."""
    if context.kind == "EVALUATE":
        parts = [token.text for token in context.tokens[:5]]
        return dict(tables.symbols.stages_of(parts[3])) if len(parts) > 3 else {}
    if context.kind == "PIPELINE":
        written = {token.text for token in context.tokens[context.item :][1:2]}
        stages = tables.symbols.stages_of(context.word_at(1))
        return {name: symbol for name, symbol in stages.items() if name not in written}
    method = tables.symbols.methods.get(context.word_at(1)) if context.kind == "METHOD" else None
    if method is None:
        return {}
    calls = {stage.name.text: stage.call for stage in method.stages}
    return {
        stage.name.text: Symbol(
            output_kind(stage.call, calls), stage.name.text, stage.name.span, is_stage=True
        )
        for stage in method.stages
    }
