"""Whether a sound file looks to recovery as it does to the parser.

Recovery cuts a broken file by keywords, brackets and layout (`nesyc.parsing.split`, `nesyc.parsing.brackets`). Where
it would cut a sound file just between its declarations and items, a mistake in one item leaves all others alone,
so only what is around the mistake has to be read. Most files are so; `x = rule` over two lines is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from nesyc.diagnostics.layout import Layout
from nesyc.parsing.brackets import pair_by_layout
from nesyc.parsing.lexer import Token, tokenize
from nesyc.parsing.mistakes import repair_tokens
from nesyc.parsing.source import Source
from nesyc.parsing.split import KB, body_of, declaration_margins, split_declarations, split_items
from nesyc.syntax import nodes


@lru_cache(maxsize=4)  # of a file that is not, it is asked at every key until the mistake is mended
def is_tidy(source: Source) -> bool:
    """Whether a sound file looks so as a whole. It takes a fifth of the time of its parse."""
    tokens, _ = repair_tokens(source.file.path, source.text, tokenize(source.text))
    return is_cut_alike(source.text, tokens, source.file, source.layout)


def is_cut_alike(text: str, tokens: Sequence[Token], file: nodes.File, layout: Layout) -> bool:
    """Whether recovery cuts `tokens` of `text` where `file`, parsed from them without a mistake, has its parts."""
    margins = declaration_margins(text, tokens)
    brackets = pair_by_layout(text, tokens, margins)
    if brackets.unclosed or brackets.stray:
        return False
    ranges = list(split_declarations(text, tokens, brackets))
    starts = [tokens[begin].start for begin, _ in ranges]
    if starts[-len(file.declarations) :] != _starts(file.declarations, layout):
        return False
    if len(starts) - len(file.declarations) not in (
        0,
        1,
    ):  # the edition stands alone, or with nothing before it
        return False
    for node, (begin, end) in zip(file.declarations, ranges[-len(file.declarations) :], strict=True):
        body = body_of(tokens, begin, end, brackets)
        if isinstance(node, nodes.Kb) and body is not None:
            items = split_items(text, tokens, *body, KB, brackets)
            if [tokens[first].start for first, _ in items] != _starts(node.items, layout):
                return False
    return True


def _starts(parts: Iterable[nodes.Declaration | nodes.KbItem], layout: Layout) -> list[int]:
    return [layout.offset(node.span.start) for node in parts]
