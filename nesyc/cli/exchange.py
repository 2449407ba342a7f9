"""`nesyc kb export` and `nesyc kb import`: entries out to files that people edit, and back without losing a word."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli import errors
from nesyc.cli.errors import CliError
from nesyc.cli.options import (
    EXPORT_HEAD,
    BuildOption,
    JsonOption,
    KbOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    WhoOption,
    user_name,
)
from nesyc.cli.output import print_result
from nesyc.cli.query import opened
from nesyc.cli.questions import refuse
from nesyc.diagnostics import counted

if TYPE_CHECKING:
    from nesyc.ir import nodes
    from nesyc_runtime.kb.exchange.exchange import Edited, EditedRow, Export
    from nesyc_runtime.kb.storage.store import Store


class Format(StrEnum):
    """How an export is written."""

    NESY = "nesy"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSONL = "jsonl"
    GRAPHML = "networkx-graphml"
    PARQUET = "parquet"
    TSV = "tsv"
    NTRIPLES = "nt"
    TURTLE = "ttl"
    SQLITE = "sqlite"
    WIKIDATA = "wikidata"


FACTS = (Format.PARQUET, Format.TSV, Format.NTRIPLES, Format.TURTLE, Format.SQLITE, Format.WIKIDATA)
"""Forms of other tools: facts as queries see them, derived ones too, to load and not to import again."""


FormatOption = Annotated[Format, typer.Option("--format", help="How to write them.")]
RelationsOption = Annotated[
    list[str] | None,
    typer.Option("--relation", metavar="NAME", help="Only rows of this relation; may be repeated."),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base", metavar="IRI", help="What IRIs begin with, in nt and ttl; urn:nesyc:KB: if not given."
    ),
]
AllOption = Annotated[bool, typer.Option("--all", help="The source's facts too, not only entries.")]
FilesArgument = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Edited exports.")]


def export(
    format: FormatOption = Format.NESY,
    relation: RelationsOption = None,
    everything: AllOption = False,
    base: BaseOption = None,
    kb: KbOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Write the entries of stages and people, and the rules, to edit them and import them again.

    As parquet, tsv, nt, ttl and sqlite: all facts that queries see, derived ones too, for other tools and to load again.
    """
    from nesyc_runtime.kb.exchange.exchange import export_rows

    if format in FACTS:
        _facts(format, relation or (), base, opened(spec, build, profile, param, kb), as_json, out)
        return
    with opened(spec, build, profile, param, kb) as (_, declared, store):
        found = export_rows(store, relation or (), everything=everything)
        text = _written(found, format, declared, store)
    result = {"v": 1, "kb": found.kb, "change": found.change, "format": format.value,
              "rows": [asdict(row) for row in found.rows]}  # fmt: skip
    print_result(result, text, as_json=as_json, out=out)


def _facts(
    format: Format,
    relations: Sequence[str],
    base: str | None,
    opening: AbstractContextManager[tuple[Any, nodes.Kb, Store]],
    as_json: bool,
    out: Path | None,
) -> None:
    from nesyc_runtime.kb.exchange.export_files import write_facts

    if out is None:
        raise CliError(f"{format} is written into a file", "name it with `--out FILE`")
    with opening as (_, declared, store):
        counts = write_facts(store, format, relations, out, base or f"urn:nesyc:{declared.name}:")
    result = {"v": 1, "kb": declared.name, "format": format.value, "rows": counts}
    text = "\n".join(f"{counted(count, 'fact')} of {name}" for name, count in counts.items())
    print_result(result, text, as_json=as_json, out=None)


def _written(found: Export, format: Format, declared: nodes.Kb, store: Store) -> str:
    from nesyc_runtime.kb.exchange import tabular
    from nesyc_runtime.kb.exchange.markdown import to_markdown

    match format:
        case Format.NESY:
            return _nesy(found, declared)
        case Format.MARKDOWN:
            rules = [(f"{r.location.file}:{r.location.line}", r.text) for r in store.kb.rules]
            return to_markdown(found, rules)
        case Format.CSV:
            return tabular.to_csv(found)
        case Format.JSONL:
            return tabular.to_jsonl(found)
        case Format.GRAPHML:
            return tabular.to_graphml(found)
        case _:
            raise AssertionError(f"{format} is written by `_facts`")


def _nesy(found: Export, declared: nodes.Kb) -> str:
    from nesyc.emit.facts import facts_source

    head = {"kb": found.kb, "change": found.change, "relations": found.relations, "all": found.everything}
    parts = [f"nesy 1\nfragment of {found.kb}\n{EXPORT_HEAD}{json.dumps(head)}\n"]
    for relation in declared.relations:
        rows = [
            (tuple(row.values.values()), row.conf, f"{row.status}, {row.owner}")
            for row in found.rows
            if row.relation == relation.name
        ]
        if rows:
            parts.append(facts_source(relation, rows))
    parts += [f"# {rule.location.file}:{rule.location.line}\n{rule.text}\n" for rule in declared.rules]
    return "\n".join(parts)


def import_(
    files: FilesArgument,
    who: WhoOption = None,
    kb: KbOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Bring edited exports back: three ways, so that nothing a person wrote meanwhile is overwritten."""
    from nesyc.cli.kb_text import merge_text
    from nesyc_runtime.kb.exchange.merge import merge
    from nesyc_runtime.kb.rules.evaluate import evaluate

    with opened(spec, build, profile, param, kb) as (checked, declared, store):
        compiler = FragmentReader(checked, declared.name)
        edited = {file.name: _read(file, compiler) for file in files}
        merged = merge(store, edited, who=user_name(who))
        evaluate(store)
    results = [
        {"file": name, **one.counts, "conflicts": [asdict(conflict) for conflict in one.conflicts],
         "rules": _changed_rules(edited[name], declared)}
        for name, one in merged.items()
    ]  # fmt: skip
    result = {"v": 1, "kb": declared.name, "files": results}
    print_result(result, merge_text(result), as_json=as_json, out=out)
    if any(one["conflicts"] or one["rules"] for one in results):
        raise typer.Exit(errors.USER_ERROR)


@dataclass(frozen=True, slots=True)
class FragmentReader:
    """The runtime's `Compiler` for one KB of a checked spec."""

    spec: nodes.Spec
    kb: str

    def read_fragment(self, text: str, file: str) -> tuple[Sequence[EditedRow], Mapping[str, str]]:
        """Facts and rules of a fragment; what is wrong with it is printed, and the command ends with exit code 1."""
        from nesyc.ir.fragment import lower_fragment
        from nesyc_runtime.kb.exchange.exchange import EditedRow

        lowered = lower_fragment(self.spec, text, file, self.kb)
        refuse(text, file, lowered.diagnostics)
        rows = [
            EditedRow(fact.relation, dict(fact.values), fact.confidence, None, f"{file}:{fact.line}")
            for fact in lowered.facts
        ]
        return rows, lowered.rules


def _read(file: Path, compiler: FragmentReader) -> Edited:
    from nesyc_runtime.kb.exchange.exchange import Edited
    from nesyc_runtime.kb.exchange.markdown import from_markdown
    from nesyc_runtime.kb.exchange.tabular import from_csv, from_jsonl

    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise CliError(
            f"{file.name} cannot be read: {reason}", "name a file that `nesyc kb export` wrote"
        ) from None
    readers = {".md": from_markdown, ".markdown": from_markdown, ".csv": from_csv, ".jsonl": from_jsonl}
    if file.suffix in readers:
        return readers[file.suffix](text, file.name)
    if file.suffix != ".nesy":
        raise CliError(f"{file.name}: exports that can be read back end in .nesy, .md, .csv or .jsonl")
    head = next(
        (line[len(EXPORT_HEAD) :] for line in text.splitlines() if line.startswith(EXPORT_HEAD)), None
    )
    try:
        about = json.loads(head or "")
        rows, rules = compiler.read_fragment(text, file.name)
        return Edited(
            about["kb"], int(about["change"]), tuple(about["relations"]), bool(about["all"]), rows, rules
        )
    except (ValueError, KeyError, TypeError):
        raise CliError(
            f"{file.name}: the line `{EXPORT_HEAD}...` is missing", "export again, and edit that"
        ) from None


def _changed_rules(edited: Edited, declared: nodes.Kb) -> list[dict[str, Any]]:
    """Rules that the file has otherwise than the source: a rule is changed where it stands."""
    known = {rule.name: rule for rule in declared.rules}
    return [
        {"rule": name, "text": text, "place": f"{rule.location.file}:{rule.location.line}" if rule else None}
        for name, text in edited.rules.items()
        if (rule := known.get(name)) is None or rule.text != text
    ]
