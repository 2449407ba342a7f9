"""E02: names and files."""

from nesyc.diagnostics.codes.code import Code

_MINI = 'embedder mini { base = hf("sentence-transformers/all-MiniLM-L6-v2"), dim = 384 }\nkb notes {\n'
_SHOUT = (
    'dataset words {\n  row (word: text)\n  split train = jsonl("train.jsonl")\n}\ntask shout on words {\n'
)

CODES = (
    Code(
        "E0201",
        "unknown name",
        "Nothing of the wanted kind is declared under this name, in this file or in those it includes.",
        _MINI + "  relation note(id: int, body: text, vec: vector(384) = embed(minni, body)) { key (id) }\n}",
        _MINI + "  relation note(id: int, body: text, vec: vector(384) = embed(mini, body)) { key (id) }\n}",
    ),
    Code(
        "E0202",
        "duplicate name",
        "Two declarations of one kind share a name. Names stand in explanations, reviews and results, so each "
        "means one thing; rules too have names of their own within their KB.",
        "param budget: usd = 25.00\nparam budget: usd = 5.00",
        "param budget: usd = 25.00\nparam trial_budget: usd = 5.00",
    ),
    Code(
        "E0203",
        "include cycle",
        "Files include each other in a circle. Declarations of an included file are visible everywhere in the "
        "spec, so one of the includes can go.",
        'include "models.nesy"     # which has the line: include "spec.nesy"',
        'include "teachers.nesy"',
        files={
            "models.nesy": 'nesy 1\ninclude "spec.nesy"\n',
            "teachers.nesy": "nesy 1\nenum Level { low high }\n",
        },
    ),
    Code(
        "E0204",
        "unknown prompt hole",
        "A `{hole}` in a prompt or a `say` sentence names nothing that could fill it: a prompt knows the task's "
        "inputs and `{retrieved}`, a sentence the columns of its relation. Braces around anything but a name are text.",
        _SHOUT
        + '  input (word: text)\n  output (answer: text)\n  prompt = "Shout {wrod}."\n  parse answer = rest()\n}',
        _SHOUT
        + '  input (word: text)\n  output (answer: text)\n  prompt = "Shout {word}."\n  parse answer = rest()\n}',
    ),
    Code(
        "E0205",
        "file not found",
        "A file that the spec names is not there, cannot be read, or is not UTF-8 text. A path is relative to the "
        "file that names it.",
        'include "levles.nesy"',
        'include "levels.nesy"',
        files={"levels.nesy": "nesy 1\nenum Level { low high }\n"},
    ),
    Code(
        "E0206",
        "path outside the project",
        "A spec reads and writes only inside its project folder, symbolic links resolved, so that a spec from "
        "elsewhere cannot reach other files. Further folders are declared in nesyc.yaml, which a spec cannot change: "
        "with `roots: {bench: /data}` there, `@bench/bbh/*.json` resolves inside /data.",
        'dataset words {\n  row (word: text)\n  split train = jsonl("../../elsewhere/train.jsonl")\n}',
        'dataset words {\n  row (word: text)\n  split train = jsonl("@bench/train.jsonl")\n}',
        files={"nesyc.yaml": "roots: {bench: data}\n"},
    ),
    Code(
        "E0207",
        "required param without a value",
        "A `param` without a default has to get its value from a profile in nesyc.yaml or from `--param`.",
        "param model: text",
        'param model: text = "HuggingFaceTB/SmolLM2-135M"',
    ),
)
