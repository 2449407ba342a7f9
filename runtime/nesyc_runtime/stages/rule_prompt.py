"""What a teacher reads that is asked for rules: an error, and what a rule may speak about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nesyc_runtime import config

FORM = """\
Rules are Datalog: `rule NAME: head(x, z) :- first(x, y), second(y, z), x != z;`
- The head is a derived relation; the body may use any relation, `not`, comparisons and `n = count(x: atom)`.
- A bare name is a variable, `_` matches anything, `.name` is a constant of an enum, "..." is text.
- Every variable of the head, and every variable under `not`, stands in an atom of the body that is not negated."""


def rule_prompt(
    kb: config.Kb, question: str, response: str, rationale: str | None, gold: Mapping[str, Any] | None
) -> str:
    """The whole prompt. Rules in force are not in it: accepting one must not make a question a new one."""
    parts = [
        "A student answered a question wrongly. Propose rules, at most three, by which a knowledge base derives what "
        "such questions ask for. A rule is general: it holds for all that is like this, not for these names.",
        f"The knowledge base has these relations:\n{chr(10).join(_relations(kb))}",
    ]
    if kb.enums:
        listed = "\n".join(f"enum {enum.name} {{ {' '.join(enum.constants)} }}" for enum in kb.enums)
        parts.append(f"Enums:\n{listed}")
    parts += [FORM, f"Question:\n{question}", f"The student's wrong response:\n{response}"]
    if gold:
        parts.append(f"The right answer: {', '.join(str(value) for value in gold.values())}")
    if rationale:
        parts.append(f"A right solution:\n{rationale}")
    parts.append("Answer with the rules alone, one after the other, or with NONE where no rule would help.")
    return "\n\n".join(parts)


def _relations(kb: config.Kb) -> Iterator[str]:
    for relation in kb.relations:
        columns = ", ".join(
            f"{column.name}: {type_name(column.type)}" for column in relation.columns if column.embed is None
        )
        said = f"   # {relation.say}" if relation.say else ""
        yield f"{'derived' if relation.derived else 'relation'} {relation.name}({columns}){said}"


def type_name(type_: config.Type) -> str:
    """A type as the language writes it."""
    name = type_.enum if type_.base == "enum" and type_.enum else type_.base
    return f"{name}{f'({type_.size})' if type_.size else ''}{'?' if type_.nullable else ''}"
