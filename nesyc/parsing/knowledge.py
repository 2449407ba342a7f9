"""Makes the nodes of a KB; see `nesyc.parsing.build`."""

from __future__ import annotations

from typing import Any

from nesyc.diagnostics.span import Span
from nesyc.parsing.context import Context
from nesyc.syntax import nodes

Items = list[Any]


def kb(context: Context, items: Items, span: Span) -> nodes.Kb:
    return nodes.Kb(items[0], tuple(items[1:]), span)


def relation(context: Context, items: Items, span: Span) -> nodes.Relation:
    name, *columns, options = items
    return nodes.Relation(False, name, tuple(columns), options or (), span)


def derived(context: Context, items: Items, span: Span) -> nodes.Relation:
    name, *columns, options = items
    return nodes.Relation(True, name, tuple(columns), options or (), span)


def options(context: Context, items: Items, span: Span) -> tuple[nodes.RelationOption, ...]:
    return tuple(items)


def key(context: Context, items: Items, span: Span) -> nodes.ColumnsOption:
    return nodes.ColumnsOption("key", tuple(items), span)


def index(context: Context, items: Items, span: Span) -> nodes.ColumnsOption:
    return nodes.ColumnsOption("index", tuple(items), span)


def fulltext(context: Context, items: Items, span: Span) -> nodes.ColumnsOption:
    return nodes.ColumnsOption("fulltext", tuple(items), span)


def unique(context: Context, items: Items, span: Span) -> nodes.UniqueOption:
    return nodes.UniqueOption(tuple(items[:-1]), items[-1], span)


def nearest(context: Context, items: Items, span: Span) -> nodes.NearestOption:
    return nodes.NearestOption(items[0], items[1], span)


def provenance(context: Context, items: Items, span: Span) -> nodes.ProvenanceOption:
    return nodes.ProvenanceOption(items[0], span)


def facts(context: Context, items: Items, span: Span) -> nodes.Facts:
    annotations, name, *rows = items
    return nodes.Facts(name, tuple(rows), None, annotations or (), span)


def loaded_facts(context: Context, items: Items, span: Span) -> nodes.Facts:
    annotations, name, source = items
    return nodes.Facts(name, (), source, annotations or (), span)


def fact_row(context: Context, items: Items, span: Span) -> nodes.FactRow:
    return nodes.FactRow(tuple(items[:-1]), items[-1], span)


def rule(context: Context, items: Items, span: Span) -> nodes.Rule:
    annotations, name, confidence, head, *body = items
    return nodes.Rule(name, confidence, context.atom(head), tuple(body), annotations or (), span)


def forbid(context: Context, items: Items, span: Span) -> nodes.Forbid:
    annotations, name, confidence, *body = items
    return nodes.Forbid(name, confidence, tuple(body), annotations or (), span)


def say(context: Context, items: Items, span: Span) -> nodes.Say:
    return nodes.Say(items[0], items[1], span)


def annotated(context: Context, items: Items, span: Span) -> tuple[nodes.Annotation, ...]:
    return tuple(items)


def annotation(context: Context, items: Items, span: Span) -> nodes.Annotation:
    return nodes.Annotation(items[0], items[1] or (), span)


def atom(context: Context, items: Items, span: Span) -> nodes.Atom:
    return context.atom(items[0])


def negation(context: Context, items: Items, span: Span) -> nodes.Not:
    return nodes.Not(context.atom(items[0]), span)


def disjunction(context: Context, items: Items, span: Span) -> nodes.Or:
    return nodes.Or(tuple(items), span)


def comparison(context: Context, items: Items, span: Span) -> nodes.Comparison:
    left, operator, right = items
    return nodes.Comparison(operator.text, left, right, span)
