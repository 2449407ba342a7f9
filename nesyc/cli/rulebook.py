"""The compiler as the stages that make rules need it: a teacher's text tried in its KB, proposals merged into files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc.checks.annotations import find_annotation, status_of, was_accepted
from nesyc.cli.errors import CliError
from nesyc.diagnostics import Diagnostic, SourceMap, render_text
from nesyc.diagnostics.span import Span
from nesyc.emit.files import write_atomic
from nesyc.emit.sql import emit_program, emit_query
from nesyc.fragments.answers import rules_said
from nesyc.fragments.proposals import Judgement, Proposal, judged, merge_proposals
from nesyc.fragments.rules import kb_items, meaning, own_text, rules_in
from nesyc.fragments.stale import marked_stale
from nesyc.ir import nodes
from nesyc.ir.encode import encode
from nesyc.parsing.project import Loaded, read_project
from nesyc.parsing.project import Project as SourceProject
from nesyc.syntax import nodes as ast
from nesyc.workspace import Checked, Workspace

if TYPE_CHECKING:
    from nesyc_runtime import config
    from nesyc_runtime.artifact import Build
    from nesyc_runtime.project import Project
    from nesyc_runtime.stages.drawn_from import Sources
    from nesyc_runtime.stages.ports import InducedRule, RuleTrial, Verdict

RULE = "<rule>"
USELESS = ("W0402", "W0403")  # can never fire; derives nothing new
TRIES = 5  # of writing a file that somebody else writes too


@dataclass
class SourceRulebook:
    """`Rulebook` over the source of a compiled spec."""

    spec: Path
    profile: str | None
    params: Mapping[str, str]
    _tried: dict[tuple[str, str], RuleTrial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._workspace = Workspace(self.spec, self.profile, self.params)
        self._project: SourceProject = read_project(self.spec)

    def said(self, answer: str) -> list[str]:
        return rules_said(answer)

    def tried(self, kb: str, text: str) -> RuleTrial:
        if (kb, text) not in self._tried:
            self._tried[kb, text] = self._try(kb, text)
        return self._tried[kb, text]

    def included(self, stage: config.InduceStage) -> bool:
        loaded = self._workspace.check().loaded
        known = {file.path: file for file in loaded.files}
        file = known.get(stage.into)
        return stage.into in loaded.awaited or (
            file is not None and (file.fragment_of is None or file.fragment_of.text == stage.kb)
        )

    def write(self, stage: config.InduceStage, rules: Sequence[InducedRule]) -> Mapping[str, int]:
        proposals = [
            Proposal(rule.text, rule.teacher, rule.learned, rule.lines, rule.confidence) for rule in rules
        ]
        others = self._names_elsewhere(stage)
        found = self.change(stage.into, lambda text: _merge(stage.into, text, stage.kb, proposals, others))
        return Counter(outcome for _, outcome in found)

    def judge(self, stage: config.InduceStage, verdicts: Sequence[Verdict], *, by: str, drop: bool) -> None:
        found = [
            Judgement(one.subject, {"lift": one.lift, "data": one.data}, one.told, one.harmful)
            for one in verdicts
        ]
        self.change(
            stage.into, lambda text: (judged(stage.into, text or "", stage.kb, found, by, drop=drop), None)
        )

    def mark_stale(self, stage: config.InduceStage, sources: Sources) -> tuple[str, ...]:
        names: tuple[str, ...] = self.change(
            stage.into, lambda text: marked_stale(stage.into, text or "", stage.kb, sources.changed)
        )
        return names

    def waiting(self, stage: config.InduceStage) -> tuple[str, ...]:
        text = self._read(stage.into)
        rules = rules_in(stage.into, text, stage.kb) if text is not None else {}
        return tuple(
            name for name, rule in rules.items() if is_waiting(rule) and not was_accepted(rule.annotations)
        )

    def _names_elsewhere(self, stage: config.InduceStage) -> set[str]:
        """The names of the KB's rules and constraints in other files than the stage's."""
        items = (
            item
            for file in self._workspace.check().loaded.files
            if file.path != stage.into
            for item in kb_items(file, stage.kb)
        )
        return {item.name.text for item in items if isinstance(item, (ast.Rule, ast.Forbid))}

    def path_of(self, name: str) -> Path:
        """The file of a name as spans have it."""
        return self._project.path_of(name)

    def change(self, name: str, make: Callable[[str | None], tuple[str, Any]]) -> Any:
        """Write a file anew from its text (None where there is none); `make` gives the new text and what to return.

        Where the file changed meanwhile it is read again: what a person saved in between is never overwritten.
        """
        path = self.path_of(name)
        for _ in range(TRIES):
            before = self._read(name)
            after, result = make(before)
            if after == before:
                return result
            if self._read(name) == before:
                write_atomic(path, after)
                return result
        raise CliError(f"{name} changes all the time: something else writes it", "end that, and run again")

    def loaded(self) -> Loaded:
        """The spec's files as they are now."""
        return self._workspace.check().loaded

    def check(self, texts: Mapping[str, str]) -> Checked:
        """The spec as it would be with other texts for some files."""
        return self._workspace.check({self.path_of(name).absolute(): text for name, text in texts.items()})

    def text_of(self, name: str) -> str:
        """The text of a file of the spec."""
        return self._read(name) or ""

    def _read(self, name: str) -> str | None:
        try:
            with self.path_of(name).open(encoding="utf-8", newline="") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"{name} cannot be read: {error}", "mend it, and run again") from None

    def _try(self, kb: str, text: str) -> RuleTrial:
        from nesyc_runtime.stages.ports import RuleTrial

        head = f"nesy 1\nfragment of {kb}\n"
        rules = rules_in(RULE, head + text, kb)
        if len(rules) != 1:
            return RuleTrial(text, self._syntax(text, kb))
        rule = self._renamed(next(iter(rules.values())), head + text)
        checked, begin = self._checked_with(kb, rule)
        problems = _shown_in(rule, checked, begin)
        if problems:
            return RuleTrial(text, problems)
        assert checked.spec is not None, "the spec was compiled, and the rule has no error"
        return self._compiled(kb, rule, checked.spec, meaning(next(iter(rules.values()))))

    @staticmethod
    def _syntax(text: str, kb: str) -> str:
        from nesyc.parsing import parse_file

        head = f"nesy 1\nfragment of {kb}\n"
        found = parse_file(RULE, head + text).diagnostics
        if not found:
            return "this is not one rule: write `rule NAME: head(...) :- literal, ...;`"
        moved = [_moved(problem, -len(head), RULE) for problem in found]
        return render_text(moved, SourceMap({RULE: text}))

    @staticmethod
    def _renamed(rule: ast.Rule, text: str) -> str:
        """The rule under a name that no other has: a teacher does not know which are taken."""
        own = own_text(text, rule)
        at = own.index(rule.name.text, len("rule"))
        return f"{own[:at]}tried_{own[at:]}"

    def _checked_with(self, kb: str, rule: str) -> tuple[Checked, Span]:
        """The spec with the rule at the end of a fragment, as if it was accepted; and where the rule stands there."""
        name, text = self._fragment(kb)
        whole = f"{text.rstrip()}\n\n@learned(by = teacher)\n@status(accepted)\n"
        checked = self._workspace.check({self.path_of(name).absolute(): f"{whole}{rule}\n"})
        return checked, Span(name, len(whole), len(whole) + len(rule))

    def _fragment(self, kb: str) -> tuple[str, str]:
        """A fragment of the KB that the spec includes, and its text: there a rule can be tried."""
        loaded = self._workspace.check().loaded
        for file in loaded.files:
            if file.fragment_of is not None and file.fragment_of.text == kb:
                return file.path, loaded.texts[file.path]
        for name in loaded.awaited:
            return name, f"nesy 1\nfragment of {kb}\n"
        raise CliError(f"kb `{kb}` includes no file that rules could be written to", "add an `include` to it")

    def _compiled(self, kb: str, rule: str, spec: nodes.Spec, says: str) -> RuleTrial:
        from nesyc_runtime.stages.ports import RuleTrial

        declared = next(one for one in spec.kbs if one.name == kb)
        (lowered,) = (one for one in declared.rules if one.text == rule or one.text == rule.strip())
        if any(isinstance(one, nodes.AtomLiteral) and _same(one, lowered.head) for one in lowered.body):
            return RuleTrial(_own_name(rule), "its head stands in its body: it derives nothing new")
        bound = [
            nodes.CompareLiteral("=", nodes.Var(f"head {place}", term.type), term, lowered.location, "")
            for place, term in enumerate(lowered.head.terms)
        ]
        columns = [f"head {place}" for place in range(len(bound))]
        heads = emit_query(declared, (*lowered.body, *bound), columns)
        return RuleTrial(
            text=_own_name(rule),
            meaning=says,
            relation=lowered.head.relation,
            kb=encode(declared),
            program=emit_program(declared).to_json(),
            heads=heads.to_json(),
        )


def rulebook_of(build: Build, project: Project) -> SourceRulebook:
    """The rulebook of a compiled spec: checked again with the profile and params it was compiled with."""
    manifest = build.manifest
    return SourceRulebook(
        (project.root / build.spec.path).absolute(), manifest.get("profile"), manifest.get("params_given", {})
    )


def is_waiting(rule: ast.Rule) -> bool:
    """Whether a teacher's rule is one that nobody has decided on, or whose sources changed since."""
    learned = find_annotation(rule.annotations, "learned") is not None
    return status_of(rule.annotations) in (("proposed", "stale", None) if learned else ("proposed",))


def _merge(
    path: str, text: str | None, kb: str, proposals: Sequence[Proposal], others: Collection[str]
) -> tuple[str, Any]:
    merged = merge_proposals(path, text, kb, proposals, others)
    return merged.text, merged.outcomes


def _own_name(rule: str) -> str:
    return rule.replace("tried_", "", 1)


def _same(one: nodes.AtomLiteral, other: nodes.AtomLiteral) -> bool:
    return not one.negated and (one.relation, one.terms) == (other.relation, other.terms)


def _shown_in(rule: str, checked: Checked, place: Span) -> str:
    """What is wrong with the rule, as text about the rule alone; its other mistakes hide the follow-ons."""
    own = [
        _moved(problem, -place.start, RULE)
        for problem in checked.diagnostics
        if problem.span.file == place.file
        and place.start <= problem.span.start <= place.end
        and (problem.severity == "error" or problem.code in USELESS)
    ]
    others = [problem for problem in checked.diagnostics if problem.severity == "error"]
    if own:
        return render_text(own, SourceMap({RULE: rule})).replace("tried_", "")
    if others:  # such as a cycle that is told at another rule of it
        return "\n".join(f"{problem.code}: {problem.message}" for problem in others).replace("tried_", "")
    return ""


def _moved(problem: Diagnostic, by: int, file: str) -> Diagnostic:
    span = Span(file, max(0, problem.span.start + by), max(0, problem.span.end + by))
    return replace(problem, span=span, related=(), help=_without_edits(problem))


def _without_edits(problem: Diagnostic) -> Any:
    return None if problem.help is None else replace(problem.help, edits=())
