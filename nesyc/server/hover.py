"""What a name is: its declaration, its type, the SQL a rule becomes, how many facts there are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lsprotocol import types

from nesyc.checks.kinds import REQUIRED, Missing, Parameter
from nesyc.checks.types import Type
from nesyc.checks.value_words import wanted_kind
from nesyc.diagnostics.codes import CODES
from nesyc.diagnostics.span import Span
from nesyc.emit.sql.layout import lay_out
from nesyc.emit.sql.rules import reads_by_confidence, rule_statements
from nesyc.index import BuiltIn, Occurrence, SymbolId
from nesyc.ir import nodes
from nesyc.server.view import View
from nesyc.syntax import nodes as ast

LONGEST = 60
"""Lines of a declaration or of SQL that are shown."""
_CODE = re.compile(r"[EW][0-9]{4}")


def hover(view: View, position: types.Position) -> types.Hover | None:
    """A short page about the name under the cursor."""
    offset = view.offset(position)
    found = view.index.at(view.file, offset)
    if found is not None:
        return _page(view, found.span, _symbol(view, found))
    built_in = view.index.built_in_at(view.file, offset)
    if built_in is not None:
        return _page(view, built_in.span, _built_in(built_in))
    return _code(view, offset)


def _page(view: View, span: Span, parts: Iterator[str]) -> types.Hover:
    value = "\n\n".join(parts)
    content = types.MarkupContent(types.MarkupKind.Markdown, value)
    return types.Hover(content, view.range(span.start, span.end))


def _code(view: View, offset: int) -> types.Hover | None:
    for match in _CODE.finditer(view.text, max(0, offset - 5), offset + 5):
        code = CODES.get(match[0])
        if code is not None and match.start() <= offset <= match.end():
            parts = iter((f"**{code.code}** {code.title}", code.why))
            return _page(view, Span(view.file, match.start(), match.end()), parts)
    return None


def _fence(language: str, text: str) -> str:
    """A block of code; nothing in `text` ends it."""
    lines = text.strip("\n").split("\n")
    shown = "\n".join([*lines[:LONGEST], *(["..."] if len(lines) > LONGEST else [])])
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def _built_in(found: BuiltIn) -> Iterator[str]:
    if found.parameter is None:
        yield _fence("nesy", f"{found.signature.name}(...)")
        if found.signature.parameters:
            yield "\n".join(f"- {_parameter(parameter)}" for parameter in found.signature.parameters)
        return
    yield f"{_parameter(found.parameter)} of `{found.signature.name}`"


def _parameter(parameter: Parameter) -> str:
    words = wanted_kind(parameter.kind).replace("`", "")
    if parameter.default is REQUIRED or isinstance(parameter.default, Missing):
        return f"`{parameter.name}`: {words}, must be given"
    if parameter.default is None or parameter.default in ((), {}):
        return f"`{parameter.name}`: {words}"
    shown = parameter.default
    shown = str(shown).lower() if isinstance(shown, bool) else shown
    shown = ", ".join(map(str, shown)) if isinstance(shown, tuple) else shown
    return f"`{parameter.name}`: {words}; {shown} where it is not given"


def _symbol(view: View, found: Occurrence) -> Iterator[str]:
    symbol = found.symbol
    declared = view.index.definition(symbol)
    if declared is None:
        yield f"{symbol.kind} `{symbol.name}`"
        return
    node = declared.node
    match symbol.kind:
        case "variable":
            yield _fence("nesy", f"{symbol.name}: {node}" if isinstance(node, Type) else symbol.name)
            yield "variable of the rule"
        case "constant":
            yield _fence("nesy", f".{symbol.name}")
            yield f"constant of enum `{symbol.owner}`"
        case "param":
            yield _fence("nesy", _text(view, node))
            constant = view.tables.params.get(symbol.name)
            if constant is not None and constant.known:
                yield f"worth `{constant.value}` here"
        case "relation":
            yield from _relation(view, symbol, node)
        case "rule":
            yield from _rule(view, symbol, node)
        case "stage":
            yield _fence("nesy", _text(view, node))
            yield _gives(view, symbol)
        case "column" | "field" | "input" | "output" | "parameter" | "split" | "metric":
            yield _fence("nesy", _text(view, node))
            yield f"{symbol.kind} of `{symbol.owner.rpartition('.')[2]}`"
        case _:
            yield _fence("nesy", _text(view, node))


def _text(view: View, node: object) -> str:
    """A declaration as written, without what its lines are indented by."""
    span = getattr(node, "span", None)
    if not isinstance(span, Span):
        return ""
    text = view.analysis.checked.texts.get(span.file, "")
    begin = text.rfind("\n", 0, span.start) + 1
    margin = len(text[begin : span.start]) - len(text[begin : span.start].lstrip(" \t"))
    lines = text[span.start : span.end].split("\n")
    return "\n".join(
        [lines[0], *(line[margin:] if not line[:margin].strip() else line for line in lines[1:])]
    )


def _gives(view: View, symbol: SymbolId) -> str:
    kinds = {
        one.kind
        for identity, one in view.tables.symbols.table["stage"].items()
        if identity.rpartition(".")[2] == symbol.name
        and symbol.owner in (identity.rpartition(".")[0], f"method {_method(view, identity)}")
    }
    return f"gives {', '.join(sorted(kinds))}" if kinds else "stage of a method"


def _method(view: View, identity: str) -> str:
    expanded = view.tables.symbols.expanded.get(identity.rpartition(".")[0])
    return expanded.method.name.text if expanded is not None and expanded.method is not None else ""


def _kb(view: View, name: str) -> nodes.Kb | None:
    spec = view.analysis.checked.spec
    return next((kb for kb in spec.kbs if kb.name == name), None) if spec is not None else None


def _relation(view: View, symbol: SymbolId, node: object) -> Iterator[str]:
    yield _fence("nesy", _text(view, node))
    kb, info = _kb(view, symbol.owner), view.tables.symbols.kbs.get(symbol.owner)
    if kb is not None:
        count = view.session.kb_info.facts(view.analysis.spec, kb, symbol.name)
        if count is not None:
            yield f"{count:,} fact{'s' * (count != 1)} in the knowledge base"
    rules = [rule.name.text for rule in info.rules if rule.head.relation.text == symbol.name] if info else []
    if rules:
        more = f" and {len(rules) - 10} others" if len(rules) > 10 else ""
        yield f"derived by {', '.join(f'`{name}`' for name in rules[:10])}{more}"


def _rule(view: View, symbol: SymbolId, node: object) -> Iterator[str]:
    yield _fence("nesy", _text(view, node))
    kb = _kb(view, symbol.owner)
    rule = next((one for one in kb.rules if one.name == symbol.name), None) if kb is not None else None
    if kb is None or rule is None or not isinstance(node, ast.Rule):
        return
    if not rule.active:
        yield "inert: proposed, and not accepted yet"
        return
    count = view.session.kb_info.derived_by(view.analysis.spec, kb, rule)
    if count is not None:
        yield f"{count:,} fact{'s' * (count != 1)} follow{'s' * (count == 1)} from it in the knowledge base"
    yield _fence("sql", rule_sql(kb, rule))


def rule_sql(kb: nodes.Kb, rule: nodes.Rule) -> str:
    """The statements that a rule becomes, as rules.sql has them."""
    stratum = next(frozenset(one.relations) for one in kb.strata if rule.name in one.rules)
    layout, own = lay_out(kb), [one for one in kb.rules if one.active and one.head.relation in stratum]
    made = rule_statements(layout, rule, stratum, by_confidence=reads_by_confidence(layout, own, stratum))
    return "\n\n".join(f"-- {one.name}\n{one.sql};" for one in (*made.base, *made.delta))
