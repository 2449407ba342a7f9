from __future__ import annotations
from nesyc.parsing.context import Context
from nesyc.parsing.expected import explain
from nesyc.parsing.lalr import Stuck, TooDeep
from nesyc.syntax import nodes
from nesyc.diagnostics.span import Span

def recover_file(path, text, tokens):
    from nesyc.parsing.parse import run
    context = Context(path)
    try:
        run("file", tokens, context)
    except (Stuck, TooDeep) as e:
        context.problems.append(explain(e, "file", tokens, path, text))
    return nodes.File(path, 1, None, (), (), Span(path, 0, 0)), context
