"""Settings and arguments: what `values` found while the tables were built."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.kinds import Bound, Symbol
from nesyc.checks.messages import did_you_mean
from nesyc.checks.methods import METHOD_KINDS, METHOD_SCALARS
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


def check_values(tables: Tables) -> Iterator[Diagnostic]:
    """E0103, E0105, E0206, E0207, E0302, E0303, E0308 and E0702 of blocks, calls, params and methods."""
    yield from tables.value_problems
    for method in tables.symbols.methods.values():
        yield from _check_method_head(method)
    for name in tables.symbols.students:
        yield from _check_student(tables, tables.blocks["student", name])
    for name in tables.symbols.embedders:
        yield from _check_base(tables, tables.blocks["embedder", name]["base"])
    for name in tables.symbols.teachers:
        yield from _check_fallback(tables, name)
    yield from _check_stores(tables)


def _check_method_head(method: ast.Method) -> Iterator[Diagnostic]:
    kinds = (*METHOD_KINDS, *METHOD_SCALARS)
    seen: dict[str, ast.Ident] = {}
    for parameter in method.params:
        name = parameter.type.name
        if name.text not in kinds:
            yield Diagnostic(
                "E0201",
                f"`{name.text}` is no kind of parameter",
                name.span,
                label="unknown",
                notes=(f"kinds are {', '.join(kinds)}",),
                help=did_you_mean(name.text, kinds, name.span),
            )
        seen.setdefault(parameter.name.text, parameter.name)
    first: dict[str, ast.Ident] = {}
    for stage in method.stages:
        other = first.get(stage.name.text) or seen.get(stage.name.text)
        if other is not None:
            related = (Related(other.span, "first declared here"),)
            message = f"stage `{stage.name.text}` has a name that is taken"
            yield Diagnostic("E0202", message, stage.name.span, "declared again", related)
        first.setdefault(stage.name.text, stage.name)


def _check_student(tables: Tables, bound: Bound) -> Iterator[Diagnostic]:
    base, adapter = bound["base"], bound["adapter"]
    yield from _check_base(tables, base)
    kind = adapter.name if isinstance(adapter, Bound) else adapter
    if kind == "qlora" and isinstance(base, Bound) and base.name == "scratch":
        yield Diagnostic(
            "E0308",
            "`qlora` adapts a model that has learnt something, and `scratch` has random weights",
            bound.span_of("adapter"),
            label="nothing to adapt",
            help=Help("leave `adapter` out: a student from scratch trains whole"),
        )
    longest, new = bound["max_tokens"], bound["max_new_tokens"]
    if (
        isinstance(longest, int)
        and isinstance(new, int)
        and new >= longest
        and "max_new_tokens" in bound.spans
    ):
        message = f"max_new_tokens = {new} leaves no room for a prompt in max_tokens = {longest}"
        span = bound.span_of("max_new_tokens")
        yield Diagnostic(
            "E0308",
            message,
            span,
            label="too long",
            help=Help("`max_tokens` counts prompt and response together"),
        )


def _check_base(tables: Tables, base: object) -> Iterator[Diagnostic]:
    """A gguf file without a package is a path of the project; the heads of a scratch model share its width."""
    if isinstance(base, Bound) and base.name == "scratch":
        width, heads = base["width"], base["heads"]
        if isinstance(width, int) and isinstance(heads, int) and width % heads:
            message = f"{heads} heads cannot share a width of {width}"
            help_ = Help(f"a width of {width + heads - width % heads} would do")
            yield Diagnostic("E0308", message, base.span_of("heads"), "does not divide", help=help_)
    if (
        isinstance(base, Bound)
        and base.name == "gguf"
        and base["package"] is None
        and isinstance(base["file"], str)
    ):
        found = tables.paths.locate(base["file"], base.span_of("file"))
        if isinstance(found, Diagnostic):
            yield found


def _check_stores(tables: Tables) -> Iterator[Diagnostic]:
    """E0202 and E0206: each KB has a file of its own, inside the project."""
    first: dict[str, tuple[str, Span]] = {}
    for name, kb in tables.symbols.kbs.items():
        store = tables.blocks["kb", name]["store"]
        written = store["file"] if isinstance(store, Bound) else f"{name}.db"
        span = store.span_of("file") if isinstance(store, Bound) else kb.node.name.span
        if not isinstance(written, str):
            continue
        # A store lies beside the main spec, whichever file declares its KB.
        found = tables.paths.locate(written, Span(tables.loaded.main.path, span.start, span.end))
        if isinstance(found, Diagnostic):
            message = f"the store of kb `{name}` is not inside the project"
            yield Diagnostic("E0206", message, span, "leads outside", notes=found.notes, help=found.help)
            continue
        file = f"{found.root}/{found.pattern}"
        if file in first:
            other, where = first[file]
            message = f"kb `{name}` and kb `{other}` have the same store"
            help_ = Help(f'give it a file of its own:  store = sqlite("{name}.db")')
            yield Diagnostic("E0202", message, span, "taken", (Related(where, f"kb `{other}`"),), help=help_)
        first.setdefault(file, (name, span))


def _check_fallback(tables: Tables, name: str) -> Iterator[Diagnostic]:
    """A chain of fallbacks must end."""
    seen = [name]
    current = tables.blocks["teacher", name]["fallback"]
    while isinstance(current, Symbol):
        if current.id in seen:
            if current.id == name:
                message = f"teachers fall back on each other: {' -> '.join([*seen, name])}"
                span = tables.blocks["teacher", name].span_of("fallback")
                yield Diagnostic("E0308", message, span, label="closes the circle")
            return
        seen.append(current.id)
        current = tables.blocks["teacher", current.id]["fallback"]
