"""E07 pipelines and cost, E08 provenance and review, E09 tests."""

from nesyc.diagnostics.codes.code import Code

_COT = "pipeline distil for kinship {\n  stage cot = sample(teacher = big, data = clutrr.train, keep = .correct)\n"

CODES = (
    Code(
        "E0701",
        "stage cycle",
        "Stages wait for each other, by their inputs or through a KB that one reads and the other writes.",
        "pipeline distil for kinship {\n  stage a = finetune(student = small, data = b)\n"
        "  stage b = mine_errors(model = a, data = clutrr.train, against = b)\n}",
        _COT + "  stage a = finetune(student = small, data = cot)\n"
        "  stage b = mine_errors(model = a, data = clutrr.train, against = cot)\n}",
    ),
    Code(
        "E0702",
        "wrong kind of stage input",
        "A stage takes examples, a model, errors, entries or rules, and gives one of them; this input is of another "
        "kind.",
        _COT + "  stage errors = mine_errors(model = cot, data = clutrr.train, against = cot)\n}",
        _COT + "  stage base = finetune(student = small, data = cot)\n"
        "  stage errors = mine_errors(model = base, data = clutrr.train, against = cot)\n}",
    ),
    Code(
        "E0703",
        "forecast over budget",
        "Even the cautious forecast of what the teacher calls cost is above `max_usd`. `nesyc plan` shows it by "
        "stage.",
        "teacher big {\n  limits = limits(max_usd = 1.00)   # the stages need about 12 dollars\n}",
        "teacher big {\n  limits = limits(max_usd = 20.00)\n}",
    ),
    Code(
        "E0704",
        "teacher without a price",
        "A budget can be held only if it is known what a call costs.",
        'teacher big {\n  endpoint = openai_compatible(model = "m", url = env("TEACHER_URL"))\n'
        "  limits = limits(max_usd = 5.00)\n}",
        'teacher big {\n  endpoint = openai_compatible(model = "m", url = env("TEACHER_URL"))\n'
        "  price = usd_per_million(input = 0.40, output = 1.20)\n  limits = limits(max_usd = 5.00)\n}",
    ),
    Code(
        "E0801",
        "unreviewed knowledge used",
        "The stage requires review, and something that depends on it would use what nobody has looked at. `nesyc "
        "review` shows it.",
        _COT + "  stage know = extract(teacher = big, data = cot, into = family.lesson, review = .required)\n"
        "  stage final = finetune(student = small, data = cot, retrieve = hints)   # entries wait for review\n}",
        _COT + "  stage know = extract(teacher = big, data = cot, into = family.lesson, review = .optional)\n"
        "  stage final = finetune(student = small, data = cot, retrieve = hints)\n}",
    ),
    Code(
        "E0802",
        "provenance missing",
        "A relation with `provenance required` takes only rows that say where they come from.",
        "kb notes {\n  relation note(id: int, body: text) { key (id) provenance required }\n"
        '  facts note { (1, "metres are longer than feet") }\n}',
        "kb notes {\n  relation note(id: int, body: text) { key (id) provenance required }\n"
        '  @source(title = "a textbook", page = 12)\n  facts note { (1, "metres are longer than feet") }\n}',
    ),
    Code(
        "E0803",
        "reviewed rule changed by a machine",
        "A rule that a person accepted is never overwritten by a stage; new evidence arrives beside it, as a "
        "proposal of its own.",
        'kb family {\n  @status(accepted, by = "mk")   # the accepted text had confidence 0.88\n'
        "  rule uncle_1 0.52: kin(a, c) :- kin(a, b), sibling(b, c);\n}",
        'kb family {\n  @status(accepted, by = "mk")\n'
        "  rule uncle_1 0.88: kin(a, c) :- kin(a, b), sibling(b, c);\n\n"
        "  @status(proposed)\n  rule uncle_2 0.52: kin(a, c) :- kin(a, b), sibling(b, c);\n}",
    ),
    Code(
        "E0901",
        "test expects nothing",
        "A test without an `expect` passes whatever happens.",
        'test "families" for family {\n  given rule bad: kin(a, b) :- parent(a, b);\n}',
        'test "families" for family {\n  given rule up: kin(a, b) :- parent(a, b);\n  expect kin("ann", "bob");\n}',
    ),
)
