"""The one table of diagnostic codes, behind `nesyc explain` and docs/diagnostics.md.

A code is stable: it is never given another meaning, and never used again once it is gone.
"""

from nesyc.diagnostics.codes import data, names, pipelines, rules, schema, syntax, types, warnings
from nesyc.diagnostics.codes.code import Code
from nesyc.diagnostics.codes.world import WORLD

_AREAS = (syntax, names, types, rules, schema, data, pipelines, warnings)

CODES: dict[str, Code] = {code.code: code for area in _AREAS for code in area.CODES}

__all__ = ["CODES", "WORLD", "Code"]
