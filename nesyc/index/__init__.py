"""Where every name of a spec is declared and used: what an editor's navigation and renaming stand on."""

from nesyc.index.build import build_index
from nesyc.index.model import BuiltIn, Definition, Index, Link, Occurrence, SymbolId

__all__ = ["BuiltIn", "Definition", "Index", "Link", "Occurrence", "SymbolId", "build_index"]
