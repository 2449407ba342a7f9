"""E06: tasks, data and retrieval."""

from nesyc.diagnostics.codes.code import Code
from nesyc.diagnostics.codes.world import COT

_WORDS = "dataset words {\n  row (word: text, length: int)\n"
_COUNT = '  input (word: text)\n  output (answer: int)\n  prompt = "{word}"\n'
_TRAIN = _WORDS + '  split train = jsonl("train.jsonl")\n}\n'
_MODELS = COT + "  stage final = finetune(student = small, data = cot"
_ASKS = "evaluate main of distil.final on clutrr.test {\n"

CODES = (
    Code(
        "E0601",
        "answer parser cannot produce the type",
        "The parser gives text where a number is wanted, or a type that the output does not have, so no answer could "
        "ever be right.",
        _TRAIN + "task count on words {\n" + _COUNT + "  parse answer = choice()\n}",
        _TRAIN + "task count on words {\n" + _COUNT + "  parse answer = number()\n}",
    ),
    Code(
        "E0602",
        "metric type error",
        "A metric is a number for each item, or `mean` of a truth value; this one is neither.",
        _TRAIN
        + "task count on words {\n"
        + _COUNT
        + "  parse answer = number()\n  metric accuracy = mean(word)\n}",
        _TRAIN
        + "task count on words {\n"
        + _COUNT
        + "  parse answer = number()\n  metric accuracy = mean(answer == length)\n}",
    ),
    Code(
        "E0603",
        "test data reaching training",
        "A split that results are measured on is in the lineage of a stage, by itself or as another split, a fact "
        "file or a recorded answer file that reads the same file: the measured number would be of no worth. A split is "
        "held out if it is named `test` or an `evaluate` uses it (`dev` apart).",
        "pipeline distil for kinship {\n"
        "  stage cot = sample(teacher = big, data = clutrr.test, keep = .correct)\n}",
        "pipeline distil for kinship {\n"
        "  stage cot = sample(teacher = big, data = clutrr.train, keep = .correct)\n}",
        world=True,
    ),
    Code(
        "E0604",
        "`reject` without a `claim`",
        "An answer can contradict a KB only if the task says what an answer claims, as a fact.",
        "answer kinship with small {\n  reject = contradicts(lessons)   # the task `kinship` has no `claim`\n}",
        "task relate on clutrr {\n  input (story: text, a: text, b: text)\n  output (answer: Kin)\n"
        '  prompt = "{story} What is {b} to {a}?"\n  parse answer = choice() as Kin\n  claim kin(a, b, answer)\n}\n'
        "answer relate with small {\n  reject = contradicts(lessons)\n}",
        world=True,
    ),
    Code(
        "E0605",
        "equal rows across splits",
        "The same row stands in two splits, so a student would be measured on what it has seen. It is found when the "
        "data is read: the rows are dropped from training and counted, and the run says so.",
        'dataset words {\n  row (word: text)\n  split train = jsonl("train.jsonl")   # has a row of test.jsonl too\n'
        '  split test = jsonl("test.jsonl")\n}',
        "dataset words {\n  row (word: text)\n"
        '  splits = hash_split(jsonl("all.jsonl"), by = word, train = 0.8, test = 0.2)\n}',
        found_by="run",
    ),
    Code(
        "E0606",
        "retrieval over an unindexed column",
        "Full-text search needs `fulltext (column)` on the relation, or `say` where whole facts are searched; nearest "
        "neighbours need `nearest (column, metric)`.",
        "kb notes {\n  relation note(id: int, body: text) { key (id) }\n}\n"
        "retrieve found for kinship from notes { query = story, search = fulltext(note.body) }",
        "kb notes {\n  relation note(id: int, body: text) { key (id) fulltext (body) }\n}\n"
        "retrieve found for kinship from notes { query = story, search = fulltext(note.body) }",
        world=True,
    ),
    Code(
        "E0607",
        "asked for no answer",
        "A model is asked in the format of its first training task unless `format` says otherwise. This format gives a "
        "rationale and no answer, or shows a rationale that nobody wrote: every item would count as wrong.",
        _MODELS + ", tasks = [.rationale, .answer])\n}\n" + _ASKS + "  report accuracy\n}",
        _MODELS
        + ", tasks = [.rationale, .answer])\n}\n"
        + _ASKS
        + "  format = .answer\n  report accuracy\n}",
        world=True,
    ),
)
