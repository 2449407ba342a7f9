"""E06: tasks, data and retrieval."""

from nesyc.diagnostics.codes.code import Code

_TASK = "dataset words {\n  row (word: text, length: int)\n"
_SPLITS = '  split train = jsonl("train.jsonl")\n  split test = jsonl("test.jsonl")\n}\n'

CODES = (
    Code(
        "E0601",
        "answer parser cannot produce the type",
        "The parser gives text where a number is wanted, or a type that the output does not have, so no answer could "
        "ever be right.",
        'task count {\n  input (word: text)\n  output (answer: int)\n  prompt = "{word}"\n  parse answer = rest()\n}',
        'task count {\n  input (word: text)\n  output (answer: int)\n  prompt = "{word}"\n  parse answer = number()\n}',
    ),
    Code(
        "E0602",
        "metric type error",
        "A metric is a number for each item, or `mean` of a truth value; this one is neither.",
        _TASK + "}\ntask count on words {\n  input (word: text)\n  output (answer: int)\n"
        '  prompt = "{word}"\n  metric accuracy = mean(word)\n}',
        _TASK + "}\ntask count on words {\n  input (word: text)\n  output (answer: int)\n"
        '  prompt = "{word}"\n  metric accuracy = mean(answer == length)\n}',
    ),
    Code(
        "E0603",
        "test data reaching training",
        "A split that results are measured on is in the lineage of a stage, by itself or as another split over the "
        "same file: the measured number would be of no worth.",
        _TASK + _SPLITS + "pipeline distil for count {\n"
        "  stage cot = sample(teacher = big, data = words.test, keep = .correct)\n}",
        _TASK + _SPLITS + "pipeline distil for count {\n"
        "  stage cot = sample(teacher = big, data = words.train, keep = .correct)\n}",
    ),
    Code(
        "E0604",
        "`reject` without a `claim`",
        "An answer can contradict a KB only if the task says what an answer claims, as a fact.",
        "answer kinship with distil.final {\n  reject = contradicts(family)   # the task `kinship` has no `claim`\n}",
        "task kinship {\n  input (a: text, b: text)\n  output (answer: text)\n"
        '  prompt = "What is {b} to {a}?"\n  claim kin(a, b, answer)\n}\n'
        "answer kinship with distil.final {\n  reject = contradicts(family)\n}",
    ),
    Code(
        "E0605",
        "equal rows across splits",
        "The same row stands in two splits, so a student is measured on what it has seen. Found in the spec it is an "
        "error; found in the data, the rows are dropped from training and counted.",
        'dataset words {\n  row (word: text)\n  split train = jsonl("all.jsonl")\n  split test = jsonl("all.jsonl")\n}',
        "dataset words {\n  row (word: text)\n"
        '  splits = hash_split(jsonl("all.jsonl"), by = word, train = 0.8, test = 0.2)\n}',
    ),
    Code(
        "E0606",
        "retrieval over an unindexed column",
        "Full-text search needs `fulltext (column)` on the relation, nearest neighbours need `nearest (column, "
        "metric)`.",
        "kb notes {\n  relation note(id: int, body: text) { key (id) }\n}\n"
        "retrieve hints for count from notes {\n  search = fulltext(note.body)\n}",
        "kb notes {\n  relation note(id: int, body: text) { key (id) fulltext (body) }\n}\n"
        "retrieve hints for count from notes {\n  search = fulltext(note.body)\n}",
    ),
)
