"""`nesyc query`, `why` and `whynot`: what follows from the knowledge, and from what."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.errors import CliError
from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    KbOption,
    LimitOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    parse_params,
)
from nesyc.cli.output import print_result, stderr_console
from nesyc.cli.questions import compiled_query, ground

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nesyc.ir import nodes
    from nesyc_runtime.kb.storage.store import Store

QueryArgument = Annotated[
    str, typer.Argument(metavar="QUERY", help="""Literals, such as: 'kin("ann", x, r), not only_child(x)'.""")
]
FactArgument = Annotated[
    str, typer.Argument(metavar="FACT", help="""A fact, such as: 'kin("ann", "carl", "grandfather")'.""")
]


READ = 10  # proofs that a person reads; a fact of a large recursion has thousands, each of dozens of lines
ProofsOption = Annotated[
    int,
    typer.Option(
        "--limit", metavar="N", min=0, help=f"At most N proofs ({READ} without --json); 0 means all."
    ),
]
PlanOption = Annotated[
    bool, typer.Option("--explain-plan", help="Show how it would be answered: strata, SQL, SQLite's plans.")
]


def query(
    text: QueryArgument,
    explain_plan: PlanOption = False,
    kb: KbOption = None,
    limit: LimitOption = 1000,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Answer a conjunction of literals from stored and derived facts."""
    from nesyc.cli.plans import plan_text
    from nesyc.cli.proofs import query_table
    from nesyc_runtime.kb.rules.plans import explain_plan as explain
    from nesyc_runtime.kb.rules.query import query as run_query

    with opened(spec, build, profile, param, kb) as (checked, declared, store):
        compiled = compiled_query(checked, declared, text)
        if explain_plan:
            result = explain(store, compiled)
            shown: RenderableType = plan_text(result)
        else:
            result = run_query(store, compiled, limit=limit)
            shown = query_table(result)
    print_result(result, shown, as_json=as_json, out=out)


def why(
    context: typer.Context,
    fact: FactArgument,
    kb: KbOption = None,
    limit: ProofsOption = 1000,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Show the proofs of a fact, the best first."""
    from nesyc.cli.proofs import why_tree
    from nesyc_runtime.kb.proofs.why import why as explain

    source = context.get_parameter_source("limit")
    if not as_json and source is not None and source.name == "DEFAULT":
        limit = READ
    with opened(spec, build, profile, param, kb) as (checked, declared, store):
        relation, values = ground(checked, declared, fact)
        result = explain(store, relation, values, limit=limit)
    with deep(result):
        print_result(result, why_tree(result), as_json=as_json, out=out)


def whynot(
    fact: FactArgument,
    limit: LimitOption = 1000,
    kb: KbOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Show, for each rule that could give a fact, the nearest literal that failed."""
    from nesyc.cli.proofs import whynot_text
    from nesyc_runtime.kb.proofs.whynot import whynot as explain

    with opened(spec, build, profile, param, kb) as (checked, declared, store):
        relation, values = ground(checked, declared, fact)
        result = explain(store, relation, values, limit=limit)
    print_result(result, whynot_text(result), as_json=as_json, out=out)


@contextmanager
def opened(
    spec: Path | None, build: Path | None, profile: str | None, param: list[str] | None, kb: str | None
) -> Iterator[tuple[nodes.Spec, nodes.Kb, Store]]:
    """The checked spec, the KB meant and its store, in step with the source and evaluated."""
    from nesyc.cli.current import choose, resolve_build, spec_of
    from nesyc.cli.session import runtime_project
    from nesyc.ir.query import find_kb
    from nesyc_runtime.errors import placed_below
    from nesyc_runtime.kb.open import open_kb
    from nesyc_runtime.kb.sources.rejects import rejected

    params = parse_params(param)
    choice, _ = choose(spec, build, profile, params)
    compiled, origin = resolve_build(spec, build, profile, params)
    checked = spec_of(origin)
    try:
        declared = find_kb(checked, kb)
    except KeyError as error:
        raise CliError(str(error.args[0]), "name it with `--kb NAME`") from None
    settings = next(one for one in compiled.spec.kbs if one.name == declared.name)
    project = runtime_project(choice.spec)
    with placed_below(project.root), open_kb(compiled, project, settings) as store:
        for sentence in rejected(store):
            stderr_console().print(f"warning: {sentence}", style="yellow", markup=False)
        yield checked, declared, store


@contextmanager
def deep(result: dict[str, Any]) -> Iterator[None]:
    """Room to print proofs that are nested deeper than Python prints by default."""
    depth, level = 0, [proof["tree"] for proof in result["proofs"]]
    while level:
        depth, level = depth + 1, [child for node in level for child in node["children"]]
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + 4 * depth)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
