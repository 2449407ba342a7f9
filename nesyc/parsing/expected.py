from __future__ import annotations
from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
def explain(error, start, tokens, file, text):
    i = error.index
    t = tokens[i] if i < len(tokens) else tokens[-1]
    return Diagnostic("E0101", "unexpected " + t.text, Span(file, t.start, t.end))
