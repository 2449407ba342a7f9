"""What nesyc tells a user about a spec: places, messages, codes, and how they are shown."""

from nesyc.diagnostics.diagnostic import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.json_form import span_json, to_json
from nesyc.diagnostics.names import counted, near_names
from nesyc.diagnostics.order import arrange, hide_follow_ons
from nesyc.diagnostics.render import render_one, render_text
from nesyc.diagnostics.source_map import Place, SourceMap
from nesyc.diagnostics.span import Span

__all__ = [
    "Diagnostic",
    "Edit",
    "Help",
    "Place",
    "Related",
    "SourceMap",
    "Span",
    "arrange",
    "counted",
    "hide_follow_ons",
    "near_names",
    "render_one",
    "render_text",
    "span_json",
    "to_json",
]
