"""What may stand as a value: the kinds that the tables in `signatures` are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from nesyc.diagnostics.span import Span


class Missing(Enum):
    """`REQUIRED` stands for no default, `POISON` for the value of what is already reported."""

    REQUIRED = "required"
    POISON = "poison"


REQUIRED, POISON = Missing.REQUIRED, Missing.POISON


@dataclass(frozen=True, slots=True)
class Scalar:
    """A constant of a base type; `minimum` and `maximum` inclusive, `above` exclusive; `env`: or env(...)."""

    base: str
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    env: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few fixed words, written `.word` (or bare, where `bare` says so)."""

    words: tuple[str, ...]
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of something declared, of one of these kinds; resolved to its `Symbol`."""

    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class United:
    """What stages give, of one of these kinds, united by `+`; resolved to their symbols in order."""

    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    item: Kind


@dataclass(frozen=True, slots=True)
class Names:
    """A tuple of bare names, `(task, input)`, or one of them; checked by whoever knows the scope."""


@dataclass(frozen=True, slots=True)
class Word:
    """One bare name (or a string), checked by whoever knows the scope."""


@dataclass(frozen=True, slots=True)
class CallOf:
    """A call of one of these signatures (by id); resolved to a `Bound`."""

    functions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """`{ key = scalar, ... }`, passed through."""


@dataclass(frozen=True, slots=True)
class FilePath:
    """A path in the project or under a root; resolved to a `Located`. `exists`: E0205 where it is not there."""

    exists: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """`"module:function"`"""


@dataclass(frozen=True, slots=True)
class Raw:
    """Any expression, kept as it is for a check that knows its scope."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The first of these kinds whose form the expression has."""

    kinds: tuple[Kind, ...]


Kind = (
    Scalar
    | Choice
    | Ref
    | United
    | ListOf
    | Names
    | Word
    | CallOf
    | Options
    | FilePath
    | Target
    | Raw
    | AnyOf
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A key of a block or an argument of a call; without a default it must be given."""

    name: str
    kind: Kind
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Signature:
    """`positional`: how many of the first parameters may be given by place; `rest`/`extra`: further ones.

    `place` tells apart signatures of one name: `hf` as a teacher's endpoint and as a base.
    """

    name: str
    parameters: tuple[Parameter, ...]
    positional: int = 0
    rest: Kind | None = None
    extra: Kind | None = None
    place: str = ""

    @property
    def id(self) -> str:
        return f"{self.place}.{self.name}" if self.place else self.name

    def find(self, name: str) -> Parameter | None:
        """The parameter of that name, if there is one."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


@dataclass(frozen=True, slots=True)
class Bound:
    """A block or call with its arguments resolved; `values` hold defaults too, `spans` only what was written."""

    name: str
    span: Span
    values: Mapping[str, Any]
    spans: Mapping[str, Span] = field(default_factory=dict)
    rest: tuple[Any, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def span_of(self, name: str) -> Span:
        """Where the argument was written; the whole call for a default."""
        return self.spans.get(name, self.span)


@dataclass(frozen=True, slots=True)
class EnvName:
    """`env("X")`"""

    name: str


@dataclass(frozen=True, slots=True)
class Located:
    """A path of the spec: `root` "" is the project folder; `pattern` is relative to it and may hold wildcards."""

    root: str
    pattern: str
    span: Span


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something declared that expressions can name; `id` is its full name, `span` the name's place.

    Kinds of stages are what they give: examples, model, errors, entries, rules.
    """

    kind: str
    id: str
    span: Span
    is_stage: bool = False
