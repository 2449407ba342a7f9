"""E03: types."""

from nesyc.diagnostics.codes.code import Code

_KIN = "enum Kin { father mother }\nkb family {\n"

CODES = (
    Code(
        "E0301",
        "wrong arity",
        "An atom or a fact has another number of values than its relation has columns. `_` stands for a value that "
        "does not matter.",
        'kb family {\n  relation parent(child: text, parent: text)\n  facts parent { ("ann") }\n}',
        'kb family {\n  relation parent(child: text, parent: text)\n  facts parent { ("ann", "bob") }\n}',
    ),
    Code(
        "E0302",
        "type mismatch",
        'A value has another type than its place. Types are not converted in silence: `3` is no text and `"3"` '
        "no number.",
        'kb family {\n  relation age(name: text, years: int)\n  facts age { ("ann", "41") }\n}',
        'kb family {\n  relation age(name: text, years: int)\n  facts age { ("ann", 41) }\n}',
    ),
    Code(
        "E0303",
        "unknown enum value",
        "An enum has exactly the constants it declares. Written with a dot, `.fater` is this error; a bare name in "
        "a rule would be a variable that matches anything.",
        _KIN + "  relation parent(child: text, parent: text, role: Kin)\n"
        '  facts parent { ("ann", "bob", .fater) }\n}',
        _KIN + "  relation parent(child: text, parent: text, role: Kin)\n"
        '  facts parent { ("ann", "bob", .father) }\n}',
    ),
    Code(
        "E0304",
        "incompatible comparison",
        "The two sides can never be equal, or have no order: their types differ.",
        "kb family {\n  relation age(name: text, years: int)\n  derived grown(name: text)\n"
        '  rule old: grown(n) :- age(n, y), y >= "18";\n}',
        "kb family {\n  relation age(name: text, years: int)\n  derived grown(name: text)\n"
        "  rule old: grown(n) :- age(n, y), y >= 18;\n}",
    ),
    Code(
        "E0305",
        "nullable used unguarded",
        "Null never joins and never equals anything, so a rule that reads a nullable column would lose rows without "
        "a word. `known(x)` first says that this is meant.",
        "kb notes {\n  relation note(id: int, trigger: text?) { key (id) }\n  derived hot(id: int)\n"
        '  rule hit: hot(i) :- note(i, t), contains(t, "unit") == true;\n}',
        "kb notes {\n  relation note(id: int, trigger: text?) { key (id) }\n  derived hot(id: int)\n"
        '  rule hit: hot(i) :- note(i, t), known(t), contains(t, "unit") == true;\n}',
    ),
    Code(
        "E0306",
        "vector size differs",
        "A vector column has another size than the embedder that fills it gives.",
        'embedder mini { base = hf("sentence-transformers/all-MiniLM-L6-v2"), dim = 384 }\nkb notes {\n'
        "  relation note(id: int, body: text, vec: vector(768) = embed(mini, body))\n}",
        'embedder mini { base = hf("sentence-transformers/all-MiniLM-L6-v2"), dim = 384 }\nkb notes {\n'
        "  relation note(id: int, body: text, vec: vector(384) = embed(mini, body))\n}",
    ),
    Code(
        "E0307",
        "confidence out of range",
        "A confidence lies above 0 and is at most 1. What is certain carries none.",
        'kb family {\n  relation person(name: text)\n  facts person { ("ann") 1.5 }\n}',
        'kb family {\n  relation person(name: text)\n  facts person { ("ann") 0.95 }\n}',
    ),
    Code(
        "E0308",
        "wrong arguments",
        "A function lacks an argument it needs, got one twice or one that is out of range, or settings do not go together.",
        'student small {\n  base = hf("Qwen/Qwen2.5-0.5B")\n  adapter = lora(rank = 0)\n}',
        'student small {\n  base = hf("Qwen/Qwen2.5-0.5B")\n  adapter = lora(rank = 32)\n}',
    ),
)
