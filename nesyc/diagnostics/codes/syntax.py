"""E01: what the text is made of."""

from nesyc.diagnostics.codes.code import Code

CODES = (
    Code(
        "E0101",
        "unexpected token",
        "The text does not follow the grammar at this place. `:` gives a type, `=` gives a value, `==` compares; "
        "rules and expectations end with `;`; strings stand in double quotes; comments begin with `#`.",
        "kb family {\n  relation person(name: text) { key (name) }\n  derived known_person(name: text)\n"
        "  rule all: known_person(x) <- person(x);\n}",
        "kb family {\n  relation person(name: text) { key (name) }\n  derived known_person(name: text)\n"
        "  rule all: known_person(x) :- person(x);\n}",
    ),
    Code(
        "E0102",
        "unclosed block",
        "A bracket, a string or a text block is opened and never closed. Where it should have been closed is read "
        "off the layout: a declaration at the left margin, or a line that is not indented further, ends it.",
        'student small {\n  base = hf("Qwen/Qwen2.5-0.5B"\n  max_tokens = 1024\n}',
        'student small {\n  base = hf("Qwen/Qwen2.5-0.5B")\n  max_tokens = 1024\n}',
    ),
    Code(
        "E0103",
        "unknown key",
        "A block has only the settings it documents. An unknown one would be ignored in silence, and a mistyped "
        "learning rate found out hours later; what is meant for a library goes into `options = {...}`.",
        'student small {\n  base = hf("Qwen/Qwen2.5-0.5B")\n  adaptor = full\n}',
        'student small {\n  base = hf("Qwen/Qwen2.5-0.5B")\n  adapter = .full\n}',
    ),
    Code(
        "E0104",
        "unsupported edition",
        "Every file begins with the edition of the language it is written in, so that it keeps its meaning when "
        "the language grows. It is missing, or it is one that this nesyc does not know.",
        "nesy 9\nenum Kin { father mother }",
        "nesy 1\nenum Kin { father mother }",
    ),
    Code(
        "E0105",
        "missing key",
        "A block lacks a setting it cannot do without.",
        "student small {\n  max_tokens = 1024\n}",
        'student small {\n  base = hf("Qwen/Qwen2.5-0.5B")\n  max_tokens = 1024\n}',
    ),
)
