"""A knowledge base as SQL: its tables, its rules as a program of statements, ad-hoc queries."""

from nesyc.emit.sql.emit import emit_program
from nesyc.emit.sql.program import Program
from nesyc.emit.sql.query import Query, emit_query
from nesyc.emit.sql.render import emit_schema, render_rules_sql

__all__ = ["Program", "Query", "emit_program", "emit_query", "emit_schema", "render_rules_sql"]
