"""E05: schema and facts."""

from nesyc.diagnostics.codes.code import Code

CODES = (
    Code(
        "E0501",
        "nullable key",
        "A key tells rows apart, and null equals nothing, so a key column cannot be nullable.",
        "kb notes {\n  relation note(id: int?, body: text) { key (id) }\n}",
        "kb notes {\n  relation note(id: int, body: text) { key (id) }\n}",
    ),
    Code(
        "E0502",
        "foreign key without a matching key",
        "`->` points at a relation whose key is one column of the same type; this one has another key or none.",
        "kb family {\n  relation person(name: text)\n  relation age(who: text -> person, years: int)\n}",
        "kb family {\n  relation person(name: text) { key (name) }\n"
        "  relation age(who: text -> person, years: int)\n}",
    ),
    Code(
        "E0503",
        "duplicate fact key",
        "Two facts agree in the key and differ in the rest, so one of them is wrong.",
        'kb family {\n  relation age(who: text, years: int) { key (who) }\n  facts age { ("ann", 41) ("ann", 42) }\n}',
        'kb family {\n  relation age(who: text, years: int) { key (who) }\n  facts age { ("ann", 41) ("bob", 42) }\n}',
    ),
    Code(
        "E0504",
        "fact breaks a `forbid`",
        "The stored facts, or what rules derive from them, break an integrity constraint. Rules have to be evaluated to "
        "see it, so `check` does not: `test` reports it, and `run` before any stage.",
        'kb family {\n  relation parent(child: text, parent: text)\n  facts parent { ("ann", "ann") }\n'
        "  forbid own: parent(a, a);\n}",
        'kb family {\n  relation parent(child: text, parent: text)\n  facts parent { ("ann", "bob") }\n'
        "  forbid own: parent(a, a);\n}",
        found_by="run",
    ),
    Code(
        "E0505",
        "column missing in a loaded file",
        "A file that facts are loaded from has no column, or field, of this name.",
        'kb units {\n  relation unit(name: text, factor: number)\n  facts unit from csv("names_only.csv")\n}',
        'kb units {\n  relation unit(name: text, factor: number)\n  facts unit from csv("names_and_factors.csv")\n}',
        files={"names_only.csv": "name\nmetre\n", "names_and_factors.csv": "name,factor\nmetre,1.0\n"},
    ),
    Code(
        "E0506",
        "schema change would lose data",
        "The stored database holds rows that the new schema has no place for: a column is gone, or narrower. "
        "`nesyc kb migrate` does it when told so.",
        "kb notes {\n  relation note(id: int) { key (id) }   # had a column `body` with 120 rows\n}",
        "kb notes {\n  relation note(id: int, body: text) { key (id) }\n}",
        found_by="kb migrate",
    ),
)
