"""Triples: tab-separated lines and N-Triples a line at a time, Turtle as its parser hands triples over.

What an IRI becomes: under `base`, what follows it, percent signs decoded; under a prefix, `name:rest`; else itself. A
literal becomes its text, which the column's type then reads. A blank node is `_:` and its name in N-Triples, its
number in order of appearance in Turtle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.sources.pulled import pulled
from nesyc_runtime.kb.sources.source import Bad, Found, Source

if TYPE_CHECKING:
    from rdflib.term import Node

Triple = tuple[Any, Any, Any]


def read_triples(source: Source) -> Found:
    """Head, predicate and tail, or head and tail of one `predicate`; raises `UserError` where Turtle cannot be read."""
    match source.file.options["syntax"]:
        case "tsv":
            found = _tab_separated(source)
        case "ntriples":
            found = _texts(source, _ntriples(source))
        case _:
            found = _texts(source, _turtle(source))
    predicate = source.file.options.get("predicate")
    for row in found:
        if isinstance(row, Bad) or predicate is None:
            yield row
        elif row[1][1] == predicate:
            yield row[0], (row[1][0], row[1][2])


def _tab_separated(source: Source) -> Found:
    with source.path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            cells: Sequence[str] = line.rstrip("\r\n").split("\t")
            if len(cells) == 3:
                yield number, cells
            elif cells != [""]:
                yield Bad(number, f"found {len(cells)} cells, expected head, relation, tail", cells)


def _texts(source: Source, triples: Iterator[tuple[int, Triple] | Bad]) -> Found:
    from rdflib import Literal

    text, language = _shortener(source), source.file.options.get("language")
    for row in triples:
        if isinstance(row, Bad):
            yield row
            continue
        number, (head, predicate, tail) = row
        if isinstance(tail, Literal):
            if language is None or tail.language in (None, language):
                yield number, (text(head), text(predicate), str(tail))
        else:
            yield number, (text(head), text(predicate), text(tail))


def _shortener(source: Source) -> Callable[[Node], str]:
    from rdflib import BNode

    options = source.file.options
    base = options.get("base")
    prefixes = [(iri, key[7:]) for key, iri in options.items() if key.startswith("prefix ")]
    prefixes.sort(key=lambda pair: (-len(pair[0]), pair))

    def text(node: Node) -> str:
        iri = str(node)
        if isinstance(node, BNode):
            return f"_:{iri}"
        if base is not None and iri.startswith(base):
            return unquote(iri[len(base) :])
        return next((f"{name}:{iri[len(start) :]}" for start, name in prefixes if iri.startswith(start)), iri)

    return text


def _ntriples(source: Source) -> Iterator[tuple[int, Triple] | Bad]:
    try:
        from rdflib.exceptions import ParserError
        from rdflib.plugins.parsers.ntriples import W3CNTriplesParser
    except ImportError:
        raise _needs_rdflib(source) from None
    sink = _Sink()
    parser = W3CNTriplesParser(sink, bnode_context=_Names())  # type: ignore[arg-type] # any object with `triple`
    with source.path.open(encoding="utf-8-sig", newline="") as lines:
        for number, line in enumerate(lines, 1):
            parser.line = line.rstrip("\r\n")
            try:
                parser.parseline()
            except (ParserError, ValueError) as error:
                reason = printable(str(error).partition(" at: ")[0], 60)
                yield Bad(number, f"not N-Triples: {reason}", line.rstrip("\r\n"))
                sink.found.clear()
                continue
            if sink.found:
                yield number, sink.found.pop()


class _Sink:
    """Where rdflib puts what it reads."""

    def __init__(self) -> None:
        self.found: list[Triple] = []

    def triple(self, head: Any, predicate: Any, tail: Any) -> None:
        self.found.append((head, predicate, tail))


class _Names(dict[str, Any]):
    """Blank nodes by the names the file gives them."""

    def get(self, name: str, default: Any = None) -> Any:
        return name


def _turtle(source: Source) -> Iterator[tuple[int, Triple]]:
    """Numbered in the order of the file; of the triples a few thousand are held, of the file all its text."""
    try:
        from rdflib import BNode, Graph
    except ImportError:
        raise _needs_rdflib(source) from None

    def parse(put: Callable[[Triple], None]) -> None:
        class Passed(Graph):
            def add(self, triple: Any) -> Passed:
                put(triple)
                return self

        Passed().parse(source.path, format="turtle")

    names: dict[Any, Any] = {}
    try:
        for number, triple in enumerate(pulled(parse), 1):
            named = (
                names.setdefault(node, BNode(str(len(names) + 1))) if isinstance(node, BNode) else node
                for node in triple
            )
            yield number, tuple(named)
    except Exception as error:  # rdflib raises whatever its parser meets in a malformed file
        if isinstance(error, (OSError, UnicodeDecodeError)):
            raise
        line = getattr(error, "lines", None)
        place = source.place(line + 1) if isinstance(line, int) else source.shown
        reason = printable(" ".join(str(getattr(error, "_why", error)).split()), 100)
        raise UserError(f"{place}: not Turtle: {reason}", "mend the file") from None


def _needs_rdflib(source: Source) -> UserError:
    return UserError(
        f"{source.shown}: N-Triples and Turtle are read by rdflib, which is not installed",
        "pip install 'nesyc[rdf]'",
    )
