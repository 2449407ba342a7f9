"""`nesyc fit weights`: confidences of rules learned from labelled facts, given as a diff of the source."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.errors import CliError
from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    KbOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
)
from nesyc.cli.output import print_result, stderr_console

if TYPE_CHECKING:
    from nesyc.cli.reweigh import SourceRule
    from nesyc.ir import nodes
    from nesyc.parsing.project import Loaded
    from nesyc_runtime.learning.weights import Fitted, Label
    from nesyc_runtime.records import Record

DIGITS = 3  # of a weight in the source
LABELS_HELP = (
    "Labelled facts: a .csv or .jsonl file with `fact` and `label` (1 holds, 0 does not, or between)."
)

LabelsArgument = Annotated[Path, typer.Argument(metavar="LABELS", help=LABELS_HELP, show_default=False)]
RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        metavar="NAME",
        help="Fit this rule; may be repeated (default: all with a written confidence).",
    ),
]
WriteOption = Annotated[
    bool,
    typer.Option("--write", help="Change the source; rules a person accepted only where --rule names them."),
]

app = typer.Typer(
    no_args_is_help=True, help="Learn what the source says in numbers, and propose it as a diff."
)


@app.callback()
def _fit() -> None:
    """Learn what the source says in numbers, and propose it as a diff."""


@dataclass(frozen=True, slots=True)
class IrCompiler:
    """The compiler as fitting needs it, over a KB's IR."""

    kb: nodes.Kb

    def reweighted(self, weights: Mapping[str, float]) -> tuple[Any, Any]:
        from nesyc.emit.sql import emit_program
        from nesyc.ir.encode import encode

        rules = tuple(
            replace(rule, confidence=weights.get(rule.name, rule.confidence)) for rule in self.kb.rules
        )
        kb = replace(self.kb, rules=rules)
        return encode(kb), emit_program(kb).to_json()


@app.command("weights")
def weights(
    labels: LabelsArgument,
    rule: RuleOption = None,
    write: WriteOption = False,
    kb: KbOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Fit rules' confidences to labelled facts and print the change of the source as a diff."""
    from nesyc.cli.current import choose
    from nesyc.cli.options import parse_params
    from nesyc.cli.query import opened
    from nesyc.cli.reweigh import source_rules
    from nesyc.parsing.project import load_spec
    from nesyc_runtime.learning.weights import fit_weights

    with opened(spec, build, profile, param, kb) as (checked, declared, store):
        choice, _ = choose(spec, build, profile, parse_params(param))
        loaded = load_spec(choice.spec)
        rules = source_rules(loaded, declared.name)
        active = {one.name for one in declared.rules if one.active}
        chosen = rule or [one.name for one in rules if one.weighed and one.name in active]
        facts = list(read_labels(labels, checked, declared))
        fitted = fit_weights(store, IrCompiler(declared), facts, chosen)
    proposal = Proposal(loaded, rules, _rounded(fitted), frozenset(rule or ()))
    written = proposal.write() if write else ()
    result = _result(declared.name, facts, fitted, proposal, written)
    _report(result, as_json=as_json)
    text = proposal.diff(terminal=out is None and sys.stdout.isatty())
    print_result(result, text, as_json=as_json, out=out)


def _rounded(fitted: Fitted) -> dict[str, float]:
    """The weights that changed, as they would be written."""
    rounded = {name: round(value, DIGITS) for name, value in fitted.after.items()}
    return {name: value for name, value in rounded.items() if abs(value - fitted.before[name]) >= 10**-DIGITS}


@dataclass(frozen=True, slots=True)
class Proposal:
    """New weights for the rules of a source; `named` are those a person asked for by name."""

    loaded: Loaded
    rules: Sequence[SourceRule]
    weights: Mapping[str, float]
    named: frozenset[str]

    def diff(self, *, terminal: bool = False) -> str:
        from nesyc.cli.reweigh import reweighed, unified

        texts = self.loaded.texts
        return unified(texts, reweighed(texts, self.rules, self.weights), terminal=terminal)

    @property
    def kept(self) -> tuple[str, ...]:
        """Rules that a person accepted and that nobody named: the diff shows them, `write` leaves them."""
        return tuple(
            one.name
            for one in self.rules
            if one.accepted and one.name in self.weights and one.name not in self.named
        )

    def write(self) -> tuple[str, ...]:
        """Change the source; gives the files written. A file that changed meanwhile is left and named in an error."""
        from nesyc.cli.reweigh import reweighed
        from nesyc.emit.files import write_atomic

        texts, root = self.loaded.texts, self.loaded.project.root
        free = {name: value for name, value in self.weights.items() if name not in self.kept}
        changed = reweighed(texts, self.rules, free)
        for name in changed:
            if (root / name).read_bytes().decode("utf-8", "replace") != texts[name]:
                raise CliError(f"{name} changed while the weights were fitted", "run the command again")
        for name, text in changed.items():
            write_atomic(root / name, text)
        return tuple(sorted(changed))


def read_labels(path: Path, checked: nodes.Spec, declared: nodes.Kb) -> Iterator[Label]:
    """The labelled facts of a file; raises `CliError` naming the line of one that cannot be read."""
    from nesyc.diagnostics import SourceMap, render_text
    from nesyc.ir.query import AnyValue, lower_fact
    from nesyc_runtime.learning.weights import Label
    from nesyc_runtime.records import read_file

    if path.suffix not in (".csv", ".jsonl"):
        raise CliError(
            f"{path.name} is no .csv and no .jsonl file", "write `fact` and `label` into one of the two"
        )
    for record in read_file(path, path.name, "csv" if path.suffix == ".csv" else "jsonl"):
        text, value = _text(record), _probability(_field(record, "label"), record.place)
        lowered = lower_fact(checked, text, declared.name)
        if lowered.diagnostics or any(isinstance(one, AnyValue) for one in lowered.values):
            told = render_text(lowered.diagnostics, SourceMap({"<fact>": text}))
            stderr_console().print(told, markup=False)
            raise CliError(
                f"{record.place}: this is no fact of `{declared.name}`", "mend the line, or leave it out"
            )
        yield Label(lowered.relation, lowered.values, value)


def _field(record: Record, name: str) -> Any:
    from nesyc_runtime.files import printable

    if name not in record.values:
        columns = ", ".join(printable(str(one), 40) for one in list(record.values)[:12])
        raise CliError(
            f"{record.place}: there is no `{name}`", f"it has {columns}; name the two `fact` and `label`"
        )
    return record.values[name]


def _text(record: Record) -> str:
    text = _field(record, "fact")
    if not isinstance(text, str):
        raise CliError(
            f"{record.place}: the fact is no text", """write one, such as: kin("ann", "carl", "aunt")"""
        )
    return text


def _probability(value: Any, place: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 1:
        raise CliError(
            f"{place}: the label is no number from 0 to 1", "1 says that the fact holds, 0 that it does not"
        )
    return number


def _result(
    kb: str, facts: Sequence[Label], fitted: Fitted, proposal: Proposal, written: Sequence[str]
) -> dict[str, Any]:
    positive = sum(label.value >= 0.5 for label in facts)
    return {
        "v": 1,
        "kb": kb,
        "labels": {"total": len(facts), "positive": positive, "covered": fitted.covered},
        "loss": {"before": fitted.loss_before, "after": fitted.loss_after},
        "rounds": fitted.rounds,
        "rules": [
            {
                "rule": name,
                "before": fitted.before[name],
                "after": round(value, DIGITS),
                "accepted": name in proposal.kept,
            }
            for name, value in fitted.after.items()
        ],
        "diff": proposal.diff(),
        "written": list(written),
    }


def _report(result: Mapping[str, Any], *, as_json: bool) -> None:
    """What happened, on stderr: the diff alone stands on stdout, so that it can be piped."""
    console = stderr_console()
    labels, loss = result["labels"], result["loss"]
    console.print(
        f"{labels['covered']} of {labels['total']} labelled facts have a proof; "
        f"cross-entropy {loss['before']:.4f} -> {loss['after']:.4f} in {result['rounds']} rounds", markup=False,
    )  # fmt: skip
    if labels["positive"] in (0, labels["total"]):
        console.print("all labels say the same: nothing weighs against it", markup=False)
    kept = [one["rule"] for one in result["rules"] if one["accepted"]]
    if kept and result["written"] and not as_json:
        console.print(
            f"accepted by a person, left as they are: {', '.join(kept)} (name them with --rule)", markup=False
        )
