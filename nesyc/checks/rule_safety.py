"""Safety: every variable gets its values from a positive literal (E0401, E0402, E0405), nulls are guarded (E0305)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from nesyc.checks.scope import RuleScope
from nesyc.checks.terms import (
    aggregate_of,
    atoms,
    body_variables,
    is_test,
    literal_variables,
    other_side,
    variables,
)
from nesyc.checks.types import UNKNOWN, Type, compatible
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


def bound_by(body: Iterable[ast.Literal], given: Iterable[str] = ()) -> set[str]:
    """The variables that get values from the positive literals of `body`, those of `given` known before."""
    literals = tuple(body)
    bound = set(given)
    for literal in literals:
        if isinstance(literal, ast.Atom) and not is_test(literal):
            bound.update(argument.text for argument in literal.arguments if isinstance(argument, ast.Name))
    computed = [literal for literal in literals if isinstance(literal, (ast.Comparison, ast.Or))]
    size = -1
    while len(bound) != size:
        size = len(bound)
        for literal in computed:
            bound |= _computed(literal, bound)
    return bound


def _computed(literal: ast.Comparison | ast.Or, bound: set[str]) -> set[str]:
    if isinstance(literal, ast.Or):
        branches = [bound_by((branch,), bound) for branch in literal.branches]
        return set.intersection(*branches) if branches else set()
    if literal.operator != "=":
        return set()
    aggregate = aggregate_of(literal)
    if aggregate is not None:
        target = other_side(literal, aggregate)
        return {target.text} if isinstance(target, ast.Name) else set()
    found = set()
    for target, source in ((literal.left, literal.right), (literal.right, literal.left)):
        if not isinstance(target, ast.Name) or isinstance(source, ast.Wildcard):
            continue
        if all(name.text in bound for name in variables(source)):
            found.add(target.text)
    return found


@dataclass(slots=True)
class Safety:
    """One rule's check. `head` is None for a constraint, `types` are the variables' types."""

    scope: RuleScope
    types: dict[str, Type]
    head: ast.Atom | None
    body: tuple[ast.Literal, ...]
    text_of: Callable[[Span], str]
    reported: set[str] = field(default_factory=set)

    def check(self) -> Iterator[Diagnostic]:
        """E0401, E0402, E0405: each variable at most once."""
        bound = bound_by(self.body)
        yield from self._wildcards_in_head()
        plain = [literal for literal in self.body if aggregate_of(literal) is None]
        outside = {name.text for name in body_variables(plain)} | {name.text for name in self._head_names()}
        for literal in self.body:
            aggregate = aggregate_of(literal)
            if isinstance(literal, ast.Comparison) and aggregate is not None:
                outside.update(name.text for name in variables(other_side(literal, aggregate)))
        for aggregate in self._aggregates(self.body):
            yield from self._check_aggregate(aggregate, bound, outside)
        for name in self._head_names():
            if name.text not in bound and self._first(name.text):
                yield self._unbound(name, in_head=True)
        yield from self._check_body(plain, bound)

    def _head_names(self) -> tuple[ast.Name, ...]:
        return tuple(literal_variables(self.head)) if self.head else ()

    def _first(self, name: str) -> bool:
        if name in self.reported:
            return False
        self.reported.add(name)
        return True

    def _wildcards_in_head(self) -> Iterator[Diagnostic]:
        for argument in self.head.arguments if self.head else ():
            if isinstance(argument, ast.Wildcard):
                help_ = Help("name it, and bind the name in the body")
                message = "`_` in a head has no value"
                yield Diagnostic("E0401", message, argument.span, label="any value", help=help_)

    def _aggregates(self, body: Iterable[ast.Literal]) -> Iterator[ast.Aggregate]:
        for literal in body:
            if isinstance(literal, ast.Or):
                yield from self._aggregates(literal.branches)
            elif (aggregate := aggregate_of(literal)) is not None:
                yield aggregate

    def _check_aggregate(
        self, aggregate: ast.Aggregate, bound: set[str], outside: set[str]
    ) -> Iterator[Diagnostic]:
        names = [*variables(aggregate.term), *body_variables(aggregate.body)]
        for name in names:
            if name.text in outside and name.text not in bound and self._first(name.text):
                yield self._unbound_group(name)
        inner = bound_by(aggregate.body, bound | self.reported)
        for name in variables(aggregate.term):
            if name.text not in inner and self._first(name.text):
                yield self._unbound(name, in_head=False, body=aggregate.body)
        yield from self._check_body(aggregate.body, inner)
        for nested in self._aggregates(aggregate.body):
            yield from self._check_aggregate(nested, inner, {name.text for name in names})

    def _check_body(self, body: Iterable[ast.Literal], bound: set[str]) -> Iterator[Diagnostic]:
        for literal in body:
            if isinstance(literal, ast.Or):
                for branch in literal.branches:
                    yield from self._check_body((branch,), bound | bound_by((branch,), bound))
                continue
            if aggregate_of(literal) is not None:
                continue
            for name in literal_variables(literal):
                if name.text not in bound and self._first(name.text):
                    yield self._unbound(name, in_head=False)

    def _unbound_group(self, name: ast.Name) -> Diagnostic:
        needed = next((other for other in self._head_names() if other.text == name.text), None)
        related = (Related(needed.span, "needed here"),) if needed else ()
        return Diagnostic(
            "E0405",
            f"`{name.text}` groups the aggregate but has no values outside it",
            name.span,
            label="not bound outside",
            related=related,
            notes=("an aggregate is computed once for every binding of the variables bound outside it",),
            help=self._bind_first(name),
        )

    def _unbound(
        self, name: ast.Name, in_head: bool, body: tuple[ast.Literal, ...] | None = None
    ) -> Diagnostic:
        no_notes: tuple[str, ...] = ()
        under_not = _under_not(self.body if body is None else body, name.text)
        if under_not is not None:
            return self._only_negated(under_not)
        if in_head:
            message = f"head variable `{name.text}` is not bound in the body"
            label, notes = "has no value", no_notes
            if any(other.text == name.text for other in body_variables(self.body)):
                notes = (f"nothing in the body gives `{name.text}` a value in every case",)
        else:
            message = f"variable `{name.text}` has no value"
            label, notes = "nothing binds it", ("a comparison or a function only tests values",)
        return Diagnostic("E0401", message, name.span, label, (), notes, self._bind_first(name))

    def _only_negated(self, name: ast.Name) -> Diagnostic:
        elsewhere = list(self._names_elsewhere(name))
        if elsewhere:
            help_ = self._bind_first(name)
        else:
            help_ = Help("write `_` where any value will do", (Edit(name.span, "_"),))
        says = f"says what `{name.text}` is not"
        return Diagnostic(
            "E0402",
            f"variable `{name.text}` appears only under `not`",
            elsewhere[0].span if elsewhere else name.span,
            label="needed here" if elsewhere else says,
            related=(Related(name.span, says, cause=True),) if elsewhere else (),
            notes=("a negated literal cannot produce values",),
            help=help_,
        )

    def _names_elsewhere(self, name: ast.Name) -> Iterator[ast.Name]:
        for other in (*self._head_names(), *body_variables(self.body)):
            if other.text == name.text and other.span != name.span:
                yield other

    def _bind_first(self, name: ast.Name) -> Help | None:
        """The rule again with a literal before its body that binds the variable."""
        negated = {atom.relation.text for atom, sign in atoms(self.body) if sign == "-"}
        atom = _binder(
            self.scope, negated, name.text, self.types.get(name.text) or self._head_type(name.text)
        )
        if atom is None or not self.body:
            return Help("bind it first, by a literal that is not negated")
        start = self.body[0].span.start
        body = self.text_of(Span(name.span.file, start, self.body[-1].span.end))
        head = f"{self.text_of(self.head.span)} :- " if self.head else ""
        place = Span(name.span.file, start, start)
        return Help(f"bind it first:  {head}{atom}, {body};", (Edit(place, f"{atom}, "),))

    def _head_type(self, name: str) -> Type:
        for place, argument in enumerate(self.head.arguments if self.head else ()):
            if isinstance(argument, ast.Name) and argument.text == name:
                return self.scope.column_type(self.head.relation.text if self.head else "", place)
        return UNKNOWN


def _binder(scope: RuleScope, negated: set[str], name: str, type_: Type) -> str | None:
    """An atom of a stored relation with a column of this type, the one with fewest columns."""
    if type_.base == "unknown":
        return None
    best: tuple[int, str] | None = None
    for relation in scope.relations.values():
        if relation.derived or relation.name in negated or (best and best[0] <= len(relation.columns)):
            continue
        for place, column in enumerate(relation.columns):
            if compatible(column.type, type_):
                arguments = ["_"] * len(relation.columns)
                arguments[place] = name
                best = (len(relation.columns), f"{relation.name}({', '.join(arguments)})")
                break
    return best[1] if best else None


def _under_not(body: Iterable[ast.Literal], name: str) -> ast.Name | None:
    for literal in body:
        if isinstance(literal, ast.Not):
            for other in literal_variables(literal):
                if other.text == name:
                    return other
        elif isinstance(literal, ast.Or):
            found = _under_not(literal.branches, name)
            if found is not None:
                return found
    return None
