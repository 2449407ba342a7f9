"""Types in rules: each variable gets one from the columns it stands in; terms and comparisons must agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nesyc.checks.messages import check_pattern, one_of, unknown_constant, unknown_name
from nesyc.checks.scope import ColumnInfo, RuleScope
from nesyc.checks.signatures import TEXT_FUNCTIONS
from nesyc.checks.terms import aggregate_of, as_call, is_known, is_test, other_side
from nesyc.checks.types import (
    BOOL,
    INT,
    NUMBER,
    NUMERIC,
    ORDERED,
    TEXT,
    UNKNOWN,
    Type,
    assignable,
    compatible,
    fits_integer,
    is_date,
    join,
    literal_type,
)
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

# Arguments and result of the text functions; None stands for any number of texts.
FUNCTION_TYPES: dict[str, tuple[tuple[Type, ...] | None, Type]] = {
    "concat": (None, TEXT),
    "lower": ((TEXT,), TEXT),
    "upper": ((TEXT,), TEXT),
    "length": ((TEXT,), INT),
    "contains": ((TEXT, TEXT), BOOL),
    "starts_with": ((TEXT, TEXT), BOOL),
    "replace": ((TEXT, TEXT, TEXT), TEXT),
    "matches": ((TEXT, TEXT), BOOL),
}


@dataclass(slots=True)
class RuleTypes:
    """Types of a rule's variables, learned literal by literal; `seen` is where each was first given one."""

    scope: RuleScope
    types: dict[str, Type] = field(default_factory=dict)
    seen: dict[str, Span] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)

    # --- learning: positive places give types ---------------------------------------------------

    def learn(self, body: Iterable[ast.Literal]) -> None:
        """Types of all variables: first what atoms say, then what `=` and aggregates compute from them."""
        literals = tuple(body)
        self._learn_atoms(literals)
        self._learn_computed(literals)

    def _learn_atoms(self, literals: Iterable[ast.Literal]) -> None:
        for literal in literals:
            match literal:
                case ast.Atom():
                    if not is_test(literal):
                        self._learn_atom(literal)
                case ast.Or():
                    self._learn_atoms(literal.branches)
                case ast.Comparison():
                    aggregate = aggregate_of(literal)
                    if aggregate is not None:
                        self._learn_atoms(aggregate.body)
                case ast.Not():
                    continue

    def _learn_atom(self, atom: ast.Atom) -> None:
        for place, argument in enumerate(atom.arguments):
            if not isinstance(argument, ast.Name):
                continue
            name, column = argument.text, self.scope.column_type(atom.relation.text, place)
            known = self.types.get(name)
            if known is None:
                self.types[name] = column
                self.seen[name] = argument.span
            elif compatible(known, column):
                self.types[name] = join(known, column)
            else:
                self._two_types(argument, known, column)

    def _two_types(self, name: ast.Name, known: Type, column: Type) -> None:
        self.problems.append(
            Diagnostic(
                "E0302",
                f"variable `{name.text}` is {known} in one place and {column} in another",
                name.span,
                label=f"{column} here",
                related=(Related(self.seen[name.text], f"{known} here"),),
            )
        )

    def _learn_computed(self, literals: tuple[ast.Literal, ...]) -> None:
        # `=` may stand before what it computes from: repeat while it teaches something new.
        pending = [literal for literal in _comparisons(literals) if literal.operator == "="]
        while pending:
            rest = [literal for literal in pending if not self._learn_equation(literal)]
            if len(rest) == len(pending):
                return
            pending = rest

    def _learn_equation(self, literal: ast.Comparison) -> bool:
        """Whether the equation gave a variable a type (or has none to give)."""
        aggregate = aggregate_of(literal)
        if aggregate is not None:
            self._learn_computed(aggregate.body)
            target = other_side(literal, aggregate)
            return self._assign(target, self._aggregate_type(aggregate))
        left, right = self._quiet(literal.left), self._quiet(literal.right)
        if left is None and right is not None:
            return self._assign(literal.left, right)
        if right is None and left is not None:
            return self._assign(literal.right, left)
        return left is not None

    def _assign(self, target: ast.Expr, type_: Type | None) -> bool:
        if type_ is None:
            return False
        if isinstance(target, ast.Name) and target.text not in self.types:
            self.types[target.text] = type_
            self.seen[target.text] = target.span
        return True

    def _quiet(self, expr: ast.Expr) -> Type | None:
        """The type of a term, None while one of its variables has none."""
        match expr:
            case ast.Name():
                return self.types.get(expr.text)
            case ast.Call():
                return FUNCTION_TYPES.get(expr.function.text, (None, UNKNOWN))[1]
            case ast.Unary():
                return self._quiet(expr.operand)
            case ast.Binary():
                left, right = self._quiet(expr.left), self._quiet(expr.right)
                return None if left is None or right is None else arithmetic(expr.operator, left, right)
            case ast.EnumConstant():
                return None
            case _:
                return literal_type(expr) or UNKNOWN

    def _aggregate_type(self, aggregate: ast.Aggregate) -> Type | None:
        if aggregate.function == "count":
            return INT
        term = self._quiet(aggregate.term)
        if term is None:
            return None
        if term.base not in (NUMERIC if aggregate.function in ("sum", "avg") else ORDERED):
            return UNKNOWN
        return NUMBER if aggregate.function == "avg" else term.required()

    # --- checking -------------------------------------------------------------------------------

    def check_body(self, body: Iterable[ast.Literal]) -> None:
        """Every literal of a body against the types learned."""
        for literal in body:
            match literal:
                case ast.Atom():
                    self.check_atom(literal)
                case ast.Not():
                    self.check_atom(literal.atom)
                case ast.Or():
                    self.check_body(literal.branches)
                case ast.Comparison():
                    self._check_comparison(literal)

    def check_atom(self, atom: ast.Atom, head: bool = False) -> None:
        """E0201, E0301 and the type of each argument."""
        name = atom.relation.text
        if is_known(atom):
            self._check_known(atom)
            return
        if is_test(atom):
            self.term(as_call(atom))
            return
        relation = self.scope.relations.get(name)
        if relation is None:
            self._unknown_relation(atom)
            return
        if len(atom.arguments) != len(relation.columns):
            self._wrong_arity(atom)
            return
        for argument, column in zip(atom.arguments, relation.columns, strict=True):
            self._check_argument(argument, column, head)

    def _unknown_relation(self, atom: ast.Atom) -> None:
        name, span = atom.relation.text, atom.relation.span
        if name in FUNCTION_TYPES:
            help_ = Help(f"compare what it gives:  {name}(...) == ...")
            message = f"`{name}` gives a value, it holds of nothing"
            self.problems.append(Diagnostic("E0302", message, atom.span, label="no test", help=help_))
            return
        self.problems.append(unknown_name("relation", name, span, self.scope.relations))

    def _wrong_arity(self, atom: ast.Atom) -> None:
        relation = self.scope.relations[atom.relation.text]
        columns, found = relation.column_names, len(atom.arguments)
        related = (Related(relation.span, "declared here"),) if relation.span else ()
        help_ = None
        if found < len(columns) and atom.arguments:
            missing = len(columns) - found
            end = atom.arguments[-1].span.end
            text = ", _" * missing
            help_ = Help(
                f"if any value will do:  add `{text.removeprefix(', ')}`",
                (Edit(Span(atom.span.file, end, end), text),),
            )
        self.problems.append(
            Diagnostic(
                "E0301",
                f"`{relation.name}` has {len(columns)} column{'s' * (len(columns) != 1)}, found {found}",
                atom.span,
                label=f"{found} argument{'s' * (found != 1)}",
                related=related,
                notes=(f"its columns are ({', '.join(columns)})",),
                help=help_,
            )
        )

    def _check_known(self, atom: ast.Atom) -> None:
        if len(atom.arguments) != 1 or not isinstance(atom.arguments[0], ast.Name):
            message = "`known(x)` takes one variable"
            self.problems.append(Diagnostic("E0301", message, atom.span, label="not one variable"))

    def _check_argument(self, argument: ast.Expr, column: ColumnInfo, head: bool) -> None:
        if isinstance(argument, (ast.Wildcard, ast.Aggregate)):
            if isinstance(argument, ast.Aggregate):
                self._misplaced_aggregate(argument)
            return
        if isinstance(argument, ast.Name):
            known = self.types.get(argument.text, UNKNOWN)
            fine = assignable(known, column.type) if head else compatible(known, column.type)
            if not fine and not self._reported(argument):
                self._mismatch(argument, known, column)
            return
        self.constant(argument, column.type, column)

    def _reported(self, name: ast.Name) -> bool:
        return any(problem.span == name.span for problem in self.problems)

    def _mismatch(self, argument: ast.Expr, found: Type, column: ColumnInfo) -> None:
        related = [Related(column.span, f"column `{column.name}` is declared here")] if column.span else []
        if isinstance(argument, ast.Name) and argument.text in self.seen:
            related.append(Related(self.seen[argument.text], f"{found} from here"))
        what = f"variable `{argument.text}`" if isinstance(argument, ast.Name) else "this"
        message = f"column `{column.name}` is {column.type}, {what} is {found}"
        self.problems.append(Diagnostic("E0302", message, argument.span, f"{found}", tuple(related)))

    def constant(self, expr: ast.Expr, wanted: Type, column: ColumnInfo | None, nulls: bool = False) -> None:
        """A constant or computed term where a value of type `wanted` stands; `nulls` in facts."""
        if wanted.base == "unknown":
            return
        if isinstance(expr, ast.EnumConstant):
            self._enum_constant(expr, wanted, column)
            return
        found = self.term(expr)
        if isinstance(expr, ast.Number) and not fits_integer(expr.value):
            self.problems.append(
                Diagnostic("E0302", "an int has at most 64 bits", expr.span, label="too large")
            )
        elif wanted.base == "enum" and isinstance(expr, ast.Text):
            self._quoted_enum(expr, wanted, column)
        elif wanted.base == "date" and isinstance(expr, ast.Text):
            if not is_date(expr.value):
                message = f'"{expr.value}" is no date'
                help_ = Help('write it as year-month-day: `"2026-01-31"`')
                self.problems.append(Diagnostic("E0302", message, expr.span, label="not a date", help=help_))
        elif found.base == "null" and not nulls:
            return
        elif not assignable(found, wanted):
            self._mismatch(expr, found, column or ColumnInfo("value", wanted))

    def _quoted_enum(self, expr: ast.Text, wanted: Type, column: ColumnInfo | None) -> None:
        enum = self.scope.enums.get(wanted.enum or "")
        if enum is None:
            return
        if self.scope.text_enums:
            word = expr.value.removeprefix(".")
            if not enum.has(word):
                self.problems.append(unknown_constant(enum.name, word, expr.span, enum.constants, enum.span))
            return
        known = enum.has(expr.value)
        related = (
            (Related(column.span, f"column `{column.name}` is {wanted}"),) if column and column.span else ()
        )
        help_ = Help(f"write `.{expr.value}`", (Edit(expr.span, f".{expr.value}"),)) if known else None
        message = f"expected a value of {enum.name}, found text"
        self.problems.append(Diagnostic("E0302", message, expr.span, "this is text", related, help=help_))

    def _enum_constant(self, expr: ast.EnumConstant, wanted: Type, column: ColumnInfo | None) -> None:
        enum = self.scope.enums.get(wanted.enum or "")
        if enum is None:
            related = (
                (Related(column.span, f"column `{column.name}` is {wanted}"),)
                if column and column.span
                else ()
            )
            message = f"expected {wanted}, found the enum constant `.{expr.name}`"
            self.problems.append(Diagnostic("E0302", message, expr.span, "an enum constant", related))
        elif not enum.has(expr.name):
            self.problems.append(unknown_constant(enum.name, expr.name, expr.span, enum.constants, enum.span))

    def term(self, expr: ast.Expr) -> Type:
        """The type of a term; wrong operands and functions are reported."""
        match expr:
            case ast.Name():
                return self.types.get(expr.text, UNKNOWN)
            case ast.Wildcard():
                self.problems.append(
                    Diagnostic("E0302", "`_` has no value to compute with", expr.span, label="any value")
                )
                return UNKNOWN
            case ast.Call():
                return self._function(expr)
            case ast.Unary() if expr.operator == "-":
                return self._operand(expr.operand)
            case ast.Binary() if expr.operator in "+-*/%":
                left, right = self._operand(expr.left), self._operand(expr.right)
                if expr.operator in "/%" and isinstance(expr.right, ast.Number) and expr.right.value == 0:
                    message = "this divides by zero"
                    self.problems.append(Diagnostic("E0302", message, expr.span, label="has no value"))
                return arithmetic(expr.operator, left, right)
            case ast.Aggregate():
                self._misplaced_aggregate(expr)
                return UNKNOWN
            case ast.EnumConstant():
                return UNKNOWN
            case _:
                found = literal_type(expr)
                if found is None:
                    message = "this cannot stand in a rule"
                    self.problems.append(Diagnostic("E0302", message, expr.span, label="no term"))
                return found or UNKNOWN

    def _misplaced_aggregate(self, expr: ast.Aggregate) -> None:
        message = "an aggregate stands alone on one side of a comparison"
        help_ = Help(f"give it a name first:  n = {expr.function}(...), then use `n`")
        self.problems.append(Diagnostic("E0302", message, expr.span, label="not a term", help=help_))

    def _operand(self, expr: ast.Expr) -> Type:
        found = self.term(expr)
        if found.base not in NUMERIC and found.base != "unknown":
            message = f"arithmetic needs numbers, this is {found}"
            self.problems.append(Diagnostic("E0302", message, expr.span, label=f"{found}"))
            return UNKNOWN
        return found

    def _function(self, call: ast.Call) -> Type:
        name = call.function.text
        known = FUNCTION_TYPES.get(name)
        if known is None:
            notes = (f"functions of rules: {one_of(TEXT_FUNCTIONS)}",)
            self.problems.append(unknown_name("function", name, call.function.span, TEXT_FUNCTIONS, notes))
            return UNKNOWN
        wanted, result = known
        if (wanted is not None and len(wanted) != len(call.arguments)) or not call.arguments:
            count = len(wanted) if wanted else 1
            message = f"`{name}` takes {count} argument{'s' * (count != 1)}, found {len(call.arguments)}"
            self.problems.append(Diagnostic("E0301", message, call.span, label="wrong number of arguments"))
            return result
        for argument in call.arguments:
            if argument.name is not None:
                message = f"`{name}` takes its arguments by place"
                self.problems.append(Diagnostic("E0308", message, argument.span, label="by name"))
            found = self.term(argument.value)
            # concat writes any value; the others read text (an enum constant's name is text).
            if name != "concat" and found.base not in ("text", "enum", "unknown"):
                message = f"`{name}` needs text, this is {found}"
                self.problems.append(Diagnostic("E0302", message, argument.span, label=f"{found}"))
        if name == "matches":
            self.problems.extend(check_pattern(call.arguments[1].value, "E0302"))
        return result

    def _check_comparison(self, literal: ast.Comparison) -> None:
        aggregate = aggregate_of(literal)
        if aggregate is not None:
            self._check_aggregate(aggregate)
            result = other_side(literal, aggregate)
            self._compare(literal, result, self._result_type(aggregate))
            return
        left, right = literal.left, literal.right
        if isinstance(left, ast.EnumConstant) or (
            isinstance(left, ast.Text) and not isinstance(right, ast.Text)
        ):
            left, right = right, left
        self._compare(literal, right, self.term(left))

    def _compare(self, literal: ast.Comparison, right: ast.Expr, left: Type) -> None:
        if (isinstance(right, ast.Text) and left.base in ("enum", "date")) or isinstance(
            right, ast.EnumConstant
        ):
            if left.base == "unknown":
                return
            self.constant(right, left, None)
            found = left
        else:
            found = self.term(right)
        ordered = literal.operator in ("<", "<=", ">", ">=")
        if not compatible(left, found) and "null" not in (left.base, found.base):
            message = f"cannot compare {left} with {found}"
            self.problems.append(Diagnostic("E0304", message, literal.span, label=f"{left} against {found}"))
        elif ordered and left.base not in ORDERED | {"unknown"}:
            message = f"{left} has no order to compare by `{literal.operator}`"
            help_ = Help("compare with `==` or `!=`")
            self.problems.append(Diagnostic("E0304", message, literal.span, label="no order", help=help_))

    def _result_type(self, aggregate: ast.Aggregate) -> Type:
        return self._aggregate_type(aggregate) or UNKNOWN

    def _check_aggregate(self, aggregate: ast.Aggregate) -> None:
        self.check_body(aggregate.body)
        if isinstance(aggregate.term, ast.Wildcard):
            self.problems.append(
                Diagnostic(
                    "E0302", "an aggregate names what it ranges over", aggregate.term.span, label="any value"
                )
            )
            return
        found = self.term(aggregate.term)
        function = aggregate.function
        allowed = NUMERIC if function in ("sum", "avg") else ORDERED
        if function != "count" and found.base not in allowed | {"unknown"}:
            message = (
                f"`{function}` needs {'numbers' if function in ('sum', 'avg') else 'values with an order'}"
            )
            self.problems.append(
                Diagnostic("E0302", f"{message}, this is {found}", aggregate.term.span, label=f"{found}")
            )


def arithmetic(operator: str, left: Type, right: Type) -> Type:
    """The type of `left operator right`: money stays money, a division is a number.

    Never nullable: E0305 asks for `known(x)` before anything is computed from x.
    """
    if "unknown" in (left.base, right.base):
        return UNKNOWN
    if "usd" in (left.base, right.base):
        return Type("usd")
    return NUMBER if operator == "/" or "number" in (left.base, right.base) else INT


def _comparisons(literals: Iterable[ast.Literal]) -> Iterable[ast.Comparison]:
    for literal in literals:
        if isinstance(literal, ast.Comparison):
            yield literal
        elif isinstance(literal, ast.Or):
            yield from _comparisons(literal.branches)
