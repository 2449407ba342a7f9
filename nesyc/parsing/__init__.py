"""Source text to syntax tree."""

from nesyc.parsing.parse import Parsed, ParsedFact, ParsedQuery, parse_fact, parse_file, parse_query
from nesyc.parsing.text import text_offset

__all__ = ["Parsed", "ParsedFact", "ParsedQuery", "parse_fact", "parse_file", "parse_query", "text_offset"]
