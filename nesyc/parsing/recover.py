"""Reads a file that has syntax errors: each declaration, and each item of a block, on its own.

A broken item is reported and left out, then its block is parsed again without it, so that the names a
file declares stay known to the checks whatever else is wrong.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
from nesyc.parsing.brackets import PAIRS, SIGNS, Brackets, bracket_problems, match_brackets
from nesyc.parsing.context import LIMIT, Context
from nesyc.parsing.expected import explain
from nesyc.parsing.lalr import DEPTH, Stuck, TooDeep
from nesyc.parsing.lexer import Token, tokenize
from nesyc.parsing.run import run
from nesyc.parsing.split import (
    BLOCKS,
    KB,
    Block,
    body_of,
    declaration_margins,
    split_declarations,
    split_items,
)
from nesyc.syntax import nodes


def recover_file(
    path: str, text: str, tokens: list[Token], stuck: int, known: Sequence[Diagnostic]
) -> tuple[nodes.File, Context]:
    """What can be read of the tokens, which do not parse beyond `stuck`, and all that is wrong besides `known`."""
    too_deep = _nested_too_deep(path, tokens)
    if too_deep is not None:
        context = Context(path)
        context.problems.append(too_deep)
        return _empty(path), context
    brackets = match_brackets(text, tokens, declaration_margins(text, tokens))
    stray = frozenset(brackets.stray)
    ill = (*brackets.unclosed, *brackets.stray)
    trouble = sorted([*(tokens[place].start for place in ill), *(found.span.start for found in known)])
    recovery = _Recovery(path, text, tokens, brackets, Context(path), stray, trouble, stuck)
    recovery.context.problems += islice(bracket_problems(path, tokens, brackets), LIMIT)
    file = recovery.read()
    return file, recovery.context


def _empty(path: str) -> nodes.File:
    return nodes.File(path, None, None, (), (), Span(path, 0, 0))


def _nested_too_deep(path: str, tokens: Sequence[Token]) -> Diagnostic | None:
    depth = 0
    for token in tokens:
        if token.kind in PAIRS:
            depth += 1
            if depth > DEPTH:
                span = Span(path, token.start, token.end)
                return Diagnostic(
                    "E0101", f"more than {DEPTH} brackets are open here", span, "nested too deep"
                )
        elif depth and token.text in (")", "]", "}"):
            depth -= 1
    return None


# What declares the name after it, and what declares a column by each word.
_NAMING = frozenset(
    "PARAM ENUM TEACHER STUDENT EMBEDDER DATASET TASK KB RETRIEVE METHOD PIPELINE EVALUATE"
    " RELATION DERIVED RULE SPLIT METRIC STAGE".split()
)
_COLUMNS = frozenset(("ROW", "INPUT", "OUTPUT"))


def _declared(tokens: Sequence[Token]) -> frozenset[str]:
    if len(tokens) < 2:
        return frozenset()
    if tokens[0].kind in _NAMING:
        return frozenset((tokens[1].text,))
    if tokens[0].kind == "PARSE":
        return frozenset((f"parse {tokens[1].text}",))
    if tokens[0].kind == "CLAIM":
        return frozenset(("claim",))
    if tokens[1].kind == "EQUAL":  # a setting
        return frozenset((tokens[0].text,))
    return frozenset(token.text for token in tokens[1:]) if tokens[0].kind in _COLUMNS else frozenset()


@dataclass(slots=True)
class _Recovery:
    path: str
    text: str
    tokens: list[Token]
    brackets: Brackets
    context: Context
    stray: frozenset[int]
    trouble: list[int]
    """Offsets of what is reported already, in order: it explains why a piece around it does not parse."""
    stuck: int

    def read(self) -> nodes.File:
        """All declarations that can be read; of a fragment, all items."""
        edition: int | None = None
        fragment_of: nodes.Ident | None = None
        declarations: list[nodes.Declaration] = []
        items: list[nodes.KbItem] = []
        for begin, end in split_declarations(self.text, self.tokens, self.brackets):
            kind = self.tokens[begin].kind
            if kind == "NESY" or kind == "FRAGMENT":
                size = 2 if kind == "NESY" else 3
                head = self._head(begin, min(begin + size, end))
                edition = head.edition if kind == "NESY" else edition
                fragment_of = head.fragment_of if kind == "FRAGMENT" else fragment_of
                begin += size
            if begin >= end:
                continue
            if fragment_of is not None:
                items += self._items(begin, end, KB)[0]
            else:
                declarations += self._declaration(begin, end)
        return nodes.File(
            self.path, edition, fragment_of, tuple(declarations), tuple(items), Span(self.path, 0, 0)
        )

    def _head(self, begin: int, end: int) -> nodes.File:
        """`nesy 1` or `fragment of X`, read as a file of its own."""
        found, _ = self._attempt("file", self.tokens[begin:end])
        if found is None and self.tokens[begin].kind == "NESY":  # it is there, if not as it should be
            self.context.editions.append(Span(self.path, self.tokens[begin].start, self.tokens[begin].end))
        return found if isinstance(found, nodes.File) else _empty(self.path)

    def _declaration(self, begin: int, end: int) -> list[nodes.Declaration]:
        if begin <= self.stuck < end and self.tokens[begin].kind in BLOCKS:
            return self._piecewise(begin, end)
        silent = Context(self.path)
        try:
            value = run("declaration", self._evened(begin, end), silent)
        except (Stuck, TooDeep):
            return self._piecewise(begin, end)
        self._take(silent)
        return [value]

    def _piecewise(self, begin: int, end: int) -> list[nodes.Declaration]:
        """A declaration that does not parse whole: its items first, then it without the broken ones."""
        block = BLOCKS.get(self.tokens[begin].kind)
        body = body_of(self.tokens, begin, end, self.brackets) if block else None
        if block is None or body is None:
            value, tokens = self._attempt("declaration", self._evened(begin, end), begin, end)
            if value is None and tokens and tokens[0].kind in BLOCKS and block is None:
                self.tokens[begin] = tokens[0]  # the keyword was misspelt: now its items can be read
                return self._declaration(begin, end)
            return [] if value is None else [value]
        _, sound = self._items(*body, block)
        # The items have reported themselves: what is left to say is about the head.
        after = min(body[1] + 1, end)
        closer = self.tokens[body[1]] if body[1] < end else self._closer(body[0] - 1, end)
        whole = [*self._evened(begin, body[0] - 1), self.tokens[body[0] - 1], *sound, closer]
        value, _ = self._attempt("declaration", whole, begin, body[0] - 1, quiet_builders=True)
        if any(place not in self.stray for place in range(after, end)):
            self._attempt("declaration", self._evened(after, end), after, end)
        return [] if value is None else [value]

    def _items(self, begin: int, end: int, block: Block) -> tuple[list[Any], list[Token]]:
        """The items of a block that are sound, or could be mended, and their tokens."""
        sound: list[Any] = []
        tokens: list[Token] = []
        for first, last in split_items(self.text, self.tokens, begin, end, block, self.brackets):
            piece = self._evened(first, last)
            if not piece:
                continue
            value, used = self._attempt(block.start, piece, first, last)
            if value is not None:
                sound.append(value)
                tokens += used
        return sound, tokens

    def _attempt(
        self,
        start: str,
        tokens: Sequence[Token],
        begin: int = 0,
        end: int = 0,
        *,
        quiet_builders: bool = False,
    ) -> tuple[Any, Sequence[Token]]:
        """The value and the tokens it was read from; None where there is none.

        What does not parse is reported once, and not at all where a bracket or a stray character explains
        it. Where the report's help says how to mend it, the mended tokens are read: what a misspelt
        `relation` declares is then not unknown to the rest of the file.
        """
        context = Context(self.path)
        try:
            value = run(start, tokens, context)
        except (Stuck, TooDeep) as error:
            if self._is_explained(begin, end) or len(self.context.problems) >= LIMIT:
                self._lose(tokens)
                return None, ()
            problem = explain(error, start, tokens, self.path, self.text)
            self.context.problems.append(problem)
            mended = self._mended(start, tokens, problem)
            if mended[0] is None:
                self._lose(tokens)
            return mended
        if quiet_builders:
            context.problems.clear()
        self._take(context)
        return value, tokens

    def _lose(self, tokens: Sequence[Token]) -> None:
        """Let a problem of these tokens say which names they would have declared."""
        names = _declared(tokens)
        if not names:
            return
        first, last = tokens[0].start, tokens[-1].end
        for place, problem in enumerate(self.context.problems):
            if first <= problem.span.start <= last:
                self.context.problems[place] = replace(problem, names=problem.names | names)
                return

    def _mended(
        self, start: str, tokens: Sequence[Token], problem: Diagnostic
    ) -> tuple[Any, Sequence[Token]]:
        """What the tokens mean once the help of `problem` is followed; new tokens stand where it puts them."""
        if problem.help is None or len(problem.help.edits) != 1:
            return None, ()
        edit = problem.help.edits[0]
        first, last = edit.span.start, edit.span.end
        new = [Token(token.kind, token.text, first, last) for token in tokenize(edit.text)]
        before = [token for token in tokens if token.end <= first]
        mended = [*before, *new, *(token for token in tokens[len(before) :] if token.start >= last)]
        try:
            return run(start, mended, Context(self.path)), mended
        except (Stuck, TooDeep):
            return None, mended

    def _take(self, context: Context) -> None:
        self.context.problems += context.problems[: LIMIT - len(self.context.problems)]
        self.context.editions += context.editions

    def _evened(self, begin: int, end: int) -> list[Token]:
        """`tokens[begin:end]`, stray closers left out, with a closer for each bracket that lacks one."""
        tokens: list[Token] = []
        pending: list[int] = []
        for place in range(begin, end):
            while pending and self.brackets.unclosed[pending[-1]] <= place:
                tokens.append(self._closer(pending.pop(), place))
            if place in self.stray:
                continue
            tokens.append(self.tokens[place])
            if place in self.brackets.unclosed:
                pending.append(place)
        tokens += [self._closer(opener, end) for opener in reversed(pending)]
        return tokens

    def _closer(self, opener: int, before: int) -> Token:
        kind = PAIRS[self.tokens[opener].kind]
        end = self.tokens[before - 1].end
        return Token(kind, SIGNS[kind], end, end)

    def _is_explained(self, begin: int, end: int) -> bool:
        if begin >= end:
            return False
        first, last = self.tokens[begin].start, self.tokens[end - 1].end
        return bisect_left(self.trouble, first) < bisect_left(self.trouble, last)
