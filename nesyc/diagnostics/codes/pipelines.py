"""E07 pipelines and cost, E08 provenance and review, E09 tests."""

from nesyc.diagnostics.codes.code import Code
from nesyc.diagnostics.codes.world import COT as _COT

_SERVER = 'teacher big {\n  endpoint = openai_compatible(model = "m", url = env("TEACHER_URL"))\n'
_NOTE = "kb notes {\n  relation note(id: int, body: text) { key (id) provenance required }\n"
_FAMILY = (
    "kb family {\n  relation parent(child: text, parent: text)\n  derived kin(a: text, b: text)\n"
    '  facts parent { ("ann", "bob") }\n'
)
_SIBLING = (
    "kb family {\n  relation sibling(a: text, b: text)\n  relation parent(child: text, parent: text)\n"
    "  derived uncle(a: text, b: text)\n"
)

_STAMP = "sha256:133704f060a38c1e"

CODES = (
    Code(
        "E0701",
        "stage cycle",
        "Stages wait for each other, by their inputs or through a KB that one reads and the other writes.",
        _COT + "  stage a = finetune(student = small, data = b, tasks = [.answer])\n"
        "  stage b = mine_errors(model = a, data = clutrr.train, against = cot)\n}",
        _COT + "  stage a = finetune(student = small, data = cot)\n"
        "  stage b = mine_errors(model = a, data = clutrr.train, against = cot)\n}",
        world=True,
    ),
    Code(
        "E0702",
        "wrong kind of stage input",
        "A stage takes examples, a model, errors, entries or rules, and gives one of them; this input is of another "
        "kind, or has no part that the stage needs.",
        _COT + "  stage errors = mine_errors(model = cot, data = clutrr.train, against = cot)\n}",
        _COT + "  stage base = finetune(student = small, data = cot)\n"
        "  stage errors = mine_errors(model = base, data = clutrr.train, against = cot)\n}",
        world=True,
    ),
    Code(
        "E0703",
        "forecast over budget",
        "Even the least that the teacher calls are forecast to cost is above `max_usd`. `nesyc plan` shows it by "
        "stage.",
        _SERVER + "  price = usd_per_million(input = 0.40, output = 1.20)\n"
        "  limits = limits(max_usd = 1.00)   # the stages need about 12 dollars\n}",
        _SERVER
        + "  price = usd_per_million(input = 0.40, output = 1.20)\n  limits = limits(max_usd = 20.00)\n}",
        found_by="plan",
    ),
    Code(
        "E0704",
        "teacher without a price",
        "A budget can be held only if it is known what a call costs.",
        _SERVER + "  limits = limits(max_usd = 5.00)\n}",
        _SERVER
        + "  price = usd_per_million(input = 0.40, output = 1.20)\n  limits = limits(max_usd = 5.00)\n}",
    ),
    Code(
        "E0705",
        "teacher and student have different tokenizers",
        "`kl`, `reverse_kl`, `jsd` and `tvd` compare the teacher's and the student's probabilities token by token, so "
        "both must cut a text into the same tokens. `fallback = .cross_entropy` in the loss trains on the teacher's text "
        "instead.",
        'teacher near { endpoint = hf("Qwen/Qwen2.5-7B-Instruct") }\n'
        "student tiny { base = scratch(layers = 2, width = 64, heads = 2, tokenizer = .characters) }\n"
        "pipeline distil for kinship {\n"
        "  stage cot = sample(teacher = near, data = clutrr.train)\n"
        "  stage final = finetune(student = tiny, data = cot, loss = kl(teacher = near))\n}",
        'teacher near { endpoint = hf("Qwen/Qwen2.5-7B-Instruct") }\n'
        "pipeline distil for kinship {\n"
        "  stage cot = sample(teacher = near, data = clutrr.train)\n"
        "  stage final = finetune(student = small, data = cot, loss = kl(teacher = near))\n}",
        world=True,
    ),
    Code(
        "E0801",
        "unreviewed knowledge used",
        "The stage requires review, and something that depends on it would use what nobody has looked at: the run "
        "stops there, to be resumed. `nesyc review` shows it.",
        _COT + "  stage base = finetune(student = small, data = cot)\n"
        "  stage errors = mine_errors(model = base, data = clutrr.train, against = cot)\n"
        "  stage know = extract(teacher = big, data = errors, into = lessons.lesson, review = .required)\n"
        "  stage final = finetune(student = small, data = cot, retrieve = hints)   # entries wait for review\n}",
        _COT + "  stage base = finetune(student = small, data = cot)\n"
        "  stage errors = mine_errors(model = base, data = clutrr.train, against = cot)\n"
        "  stage know = extract(teacher = big, data = errors, into = lessons.lesson, review = .optional)\n"
        "  stage final = finetune(student = small, data = cot, retrieve = hints)\n}",
        world=True,
        found_by="run",
    ),
    Code(
        "E0802",
        "provenance missing",
        "A relation with `provenance required` takes only rows that say where they come from: entries of a stage "
        "always do, facts in the text or from a file by an annotation before them.",
        _NOTE + '  facts note { (1, "metres are longer than feet") }\n}',
        _NOTE
        + '  @source(title = "a textbook", page = 12)\n  facts note { (1, "metres are longer than feet") }\n}',
    ),
    Code(
        "E0803",
        "reviewed rule changed by a machine",
        "`nesyc review` writes a hash of the rule that a person accepted; the rule reads otherwise now, so what was "
        "accepted is not what counts. No stage does that: new evidence arrives beside a rule, as a comment or as a "
        "proposal of its own. Whoever changes the rule has it accepted again.",
        _SIBLING
        + f'  @status(accepted, by = "mk", rule = "{_STAMP}")   # the accepted text had confidence 0.88\n'
        "  rule uncle_1 0.52: uncle(a, c) :- parent(a, b), sibling(b, c);\n}",
        _SIBLING + f'  @status(accepted, by = "mk", rule = "{_STAMP}")\n'
        "  rule uncle_1 0.88: uncle(a, c) :- parent(a, b), sibling(b, c);\n\n"
        "  @status(proposed)\n  rule uncle_2 0.52: uncle(a, c) :- parent(a, b), sibling(b, c);\n}",
    ),
    Code(
        "E0901",
        "test expects nothing",
        "A test without an `expect` passes whatever happens.",
        _FAMILY + '}\ntest "families" for family {\n  given rule up: kin(a, b) :- parent(a, b);\n}',
        _FAMILY + '}\ntest "families" for family {\n  given rule up: kin(a, b) :- parent(a, b);\n'
        '  expect kin("ann", "bob");\n}',
    ),
)
