"""The declarations that examples about tasks and pipelines leave out."""

WORLD = """\
enum Kin { father mother son daughter uncle aunt }

teacher big { endpoint = program("teaching:answer") }
student small { base = hf("Qwen/Qwen2.5-0.5B") }

dataset clutrr {
  row (story: text, a: text, b: text, label: Kin)
  split train = jsonl("train.jsonl")
  split dev   = jsonl("dev.jsonl")
  split test  = jsonl("test.jsonl")
}

task kinship on clutrr {
  input  (story: text, a: text, b: text)
  output (reasoning: text, answer: Kin)
  prompt = "{story} What is {b} to {a}?"
  parse  answer   = choice() as Kin
  metric accuracy = mean(answer == label)
}

kb lessons {
  relation lesson(id: int, body: text) { key (id) fulltext (body) }
  relation parent(child: text, parent: text, role: Kin)
  derived  kin(a: text, b: text, rel: Kin) { unique (a, b) resolve highest_conf }
  rule base: kin(a, b, r) :- parent(a, b, r);
}

retrieve hints for kinship from lessons { query = story, search = fulltext(lesson.body) }
"""

COT = (
    "pipeline distil for kinship {\n"
    "  stage cot = sample(teacher = big, data = clutrr.train, keep = .correct)\n"
)
