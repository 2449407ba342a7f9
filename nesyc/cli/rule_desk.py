"""Reviewing rules: which wait in the source, what accepting one would change, and decisions written into it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nesyc.checks.accepted_rules import own_span, rule_stamp
from nesyc.checks.annotations import argument_of, find_annotation, status_of, was_accepted
from nesyc.cli.errors import CliError
from nesyc.cli.rulebook import SourceRulebook, is_waiting
from nesyc.diagnostics import SourceMap, render_text
from nesyc.emit.files import write_atomic
from nesyc.emit.sql import emit_program
from nesyc.fragments.annotate import Edit, edited, with_status
from nesyc.fragments.rules import kb_items, own_text, rules_in
from nesyc.ir.encode import encode
from nesyc.syntax import nodes as ast

if TYPE_CHECKING:
    from nesyc_runtime.kb.review.difference import Derived
    from nesyc_runtime.kb.review.review import RuleProposal
    from nesyc_runtime.kb.storage.store import Store

FACTS = 20  # of what is gained and lost that are told
PROOFS = 3


@dataclass
class RuleDesk:
    """The rules of one KB that wait for a decision; `today` dates what is decided."""

    book: SourceRulebook
    store: Store
    today: Callable[[], datetime.date] = datetime.date.today
    _written: list[tuple[str, str, str]] = field(default_factory=list)
    _before: Derived | None = None

    @property
    def kb(self) -> str:
        return self.store.kb.name

    def waiting(self, file: str | None = None) -> list[RuleProposal]:
        """The proposals in the project's own files, in order; with `file` only those in it."""
        from nesyc_runtime.kb.review.review import RuleProposal

        loaded = self.book.loaded()
        found = []
        for source in loaded.files:
            if source.path.startswith("@") or file not in (None, source.path):
                continue
            text = loaded.texts[source.path]
            for item in kb_items(source, self.kb):
                if isinstance(item, ast.Rule) and is_waiting(item):
                    found.append(
                        RuleProposal(
                            item.name.text,
                            source.path,
                            loaded.sources.place(item.name.span).line,
                            own_text(text, item),
                            _arguments(text, item),
                            _comments(text, item),
                            _stale(item),
                        )
                    )
        return found

    def effect(self, one: RuleProposal) -> dict[str, Any]:
        """What the KB derives more and less with the rule in force, and how it derives some of that.

        Of a rule in force that is stale, what it derives less without.
        """
        from nesyc_runtime.kb.proofs.why import why
        from nesyc_runtime.kb.review.difference import derived, difference, with_rules

        word = "rejected" if one.stale else "accepted"
        text = self._decided(self.book.text_of(one.file), one, word, "", "")
        checked = self.book.check({one.file: text})
        if checked.spec is None:
            problem = f"the spec has errors {'without' if one.stale else 'with'} this rule"
            return {"problem": problem, "gained": None, "lost": None}
        declared = next(kb for kb in checked.spec.kbs if kb.name == self.kb)
        if self._before is None:
            self._before = derived(self.store)
        with with_rules(self.store, encode(declared), emit_program(declared).to_json()) as other:
            changes = difference(self._before, derived(other), other.declared, limit=FACTS)
            facts = changes["gained"]["facts"][:PROOFS]
            proofs = [why(other, fact["relation"], fact["args"], limit=1) for fact in facts]
        trees = [proof["proofs"][0]["tree"] for proof in proofs if proof["proofs"]]
        return {"problem": None, **changes, "proofs": trees}

    def named(self, names: Sequence[str]) -> list[str]:
        """The rules that names mean: `*` is all that wait."""
        return [one.rule for one in self.waiting()] if "*" in names else list(dict.fromkeys(names))

    def decide(self, names: Sequence[str], word: str, *, who: str, note: str) -> dict[str, str]:
        """The files with these rules accepted or rejected; nothing is written yet."""
        waiting = {one.rule: one for one in self.waiting()}
        texts: dict[str, str] = {}
        for name in names:
            one = waiting.get(name) or self._any(name)
            text = texts.get(one.file) or self.book.text_of(one.file)
            texts[one.file] = self._decided(text, one, word, who, note)
        self._refuse_errors(texts)
        return texts

    def write(self, texts: Mapping[str, str]) -> None:
        """Let the files read so."""
        for file, text in texts.items():
            before = self.book.text_of(file)
            write_atomic(self.book.path_of(file), text)
            self._written.append((file, before, text))

    def accept(self, one: RuleProposal, *, who: str, note: str) -> None:
        self._one(one, "accepted", who, note)

    def reject(self, one: RuleProposal, *, who: str, note: str) -> None:
        self._one(one, "rejected", who, note)

    def edit(self, one: RuleProposal, rule: str, *, who: str, note: str) -> None:
        """Put another text in the rule's place, accepted."""
        text = self.book.text_of(one.file)
        found = self._find(text, one)
        start = text.index(one.text, own_span(found).start)
        replaced = edited(text, [(start, start + len(one.text), rule.strip())])
        new = [
            name
            for name in rules_in(one.file, replaced, self.kb)
            if name not in rules_in(one.file, text, self.kb)
        ]
        name = new[0] if new else one.rule
        rules = rules_in(one.file, replaced, self.kb)
        if name not in rules or len(rules) != len(rules_in(one.file, text, self.kb)):
            raise CliError("this is not one rule", "write `rule NAME: head(...) :- literal, ...;`")
        accepted = edited(replaced, _status(replaced, rules[name], "accepted", who, self.today(), note))
        self._refuse_errors({one.file: accepted})
        self.write({one.file: accepted})

    def take_back(self) -> None:
        """Let the file that was written last read as before; raises `CliError` where it changed since."""
        file, before, after = self._written.pop()
        if self.book.text_of(file) != after:
            raise CliError(f"{file} changed since", "edit it by hand")
        write_atomic(self.book.path_of(file), before)

    def _one(self, one: RuleProposal, word: str, who: str, note: str) -> None:
        text = self._decided(self.book.text_of(one.file), one, word, who, note)
        self._refuse_errors({one.file: text})
        self.write({one.file: text})

    def _decided(self, text: str, one: RuleProposal, word: str, who: str, note: str) -> str:
        return edited(text, _status(text, self._find(text, one), word, who, self.today(), note))

    def _find(self, text: str, one: RuleProposal) -> ast.Rule:
        rule = rules_in(one.file, text, self.kb).get(one.rule)
        if rule is None or own_text(text, rule) != one.text:
            raise CliError(f"rule `{one.rule}` changed since it was shown", "look at it again:  nesyc review")
        return rule

    def _any(self, name: str) -> RuleProposal:
        """A rule by name that was decided on before: it may be accepted or rejected again."""
        from nesyc_runtime.kb.review.review import RuleProposal

        loaded = self.book.loaded()
        for source in loaded.files:
            rule = rules_in(source.path, loaded.texts[source.path], self.kb).get(name)
            if rule is not None and not source.path.startswith("@"):
                return RuleProposal(name, source.path, 0, own_text(loaded.texts[source.path], rule))
        known = ", ".join(one.rule for one in self.waiting()) or "none"
        raise CliError(f"there is no rule `{name}`", f"these wait for a decision: {known}")

    def _refuse_errors(self, texts: Mapping[str, str]) -> None:
        checked = self.book.check(texts)
        errors = [problem for problem in checked.diagnostics if problem.severity == "error"]
        if errors:
            told = render_text(errors[:1], SourceMap(checked.texts))
            raise CliError(
                f"with this the spec has errors; nothing was changed\n{told}", "edit the rule, or reject it"
            )


def _status(text: str, rule: ast.Rule, word: str, who: str, today: datetime.date, note: str) -> list[Edit]:
    stamp = rule_stamp(own_text(text, rule)) if word == "accepted" else ""
    about = {"by": who or "?", "on": today.isoformat(), "note": note, "rule": stamp}
    return [with_status(text, rule, word, about)]


def _arguments(text: str, rule: ast.Rule) -> dict[str, str]:
    """What `@learned` says, each argument as it is written."""
    learned = find_annotation(rule.annotations, "learned")
    if learned is None:
        return {}
    return {
        argument.name.text: " ".join(text[argument.value.span.start : argument.value.span.end].split())
        for argument in learned.arguments
        if argument.name is not None
    }


def _stale(rule: ast.Rule) -> str:
    """What changed since a person accepted it."""
    status = find_annotation(rule.annotations, "status")
    if status is None or not (status_of(rule.annotations) == "stale" and was_accepted(rule.annotations)):
        return ""
    because = argument_of(status, "because")
    return because.value if isinstance(because, ast.Text) else "a source changed"


def _comments(text: str, rule: ast.Rule) -> tuple[str, ...]:
    """The comment lines between the annotations and the rule."""
    lines = text[own_span(rule).start : rule.name.span.start].splitlines()
    return tuple(line.strip().removeprefix("#").strip() for line in lines if line.lstrip().startswith("#"))
