"""A compiled project whose teacher proposes rules, with a student that knows nothing; everything else is real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nesyc.cli.rulebook import rulebook_of
from nesyc.cli.session import runtime_project
from nesyc.pipeline import compile_spec
from nesyc_runtime.artifact import load_build
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.knowledge import StoredKnowledge
from nesyc_runtime.stages.ports import Reply, Silent
from nesyc_runtime.stages.run import Options, Outcome, open_context, run

SPEC = """nesy 1
enum Kin { father mother grandfather grandmother uncle }
teacher tutor { endpoint = program("teach:teach") }
student small { base = scratch(layers = 1, width = 8, tokenizer = .characters), adapter = .full }
dataset people {
  row (id: text key, a: text, b: text, label: Kin)
  split train = jsonl("train.jsonl")
  split dev   = jsonl("dev.jsonl")
}
task kinship on people {
  input  (a: text, b: text)
  output (answer: Kin)
  prompt = \"\"\"
    What is {b} to {a}?
    {retrieved}
    Finish with 'answer: <relation>'.
    \"\"\"
  parse  answer = last_match("answer: (\\\\w+)") as Kin
  claim  kin(a, b, answer)
  metric accuracy = mean(answer == label)
}
kb family {
  store = sqlite("family.db")
  semantics = max_min
  ceiling = origin_cap(human = 1.0, teacher = 0.9, unreviewed = 0.6)
  relation parent(child: text, parent: text, role: Kin) { key (child, parent) }
  relation lesson(id: int, body: text) { key (id), fulltext (body) }
  derived kin(a: text, b: text, rel: Kin) { unique (a, b) resolve highest_conf }
  facts parent {
    ("ann", "bob", .father) ("bob", "carl", .father) ("bob", "cleo", .mother)
    ("dora", "bob", .father) ("eve", "gina", .mother) ("gina", "hugo", .father)
    ("finn", "ivo", .father) ("ivo", "jon", .father)
  }
  rule base: kin(a, b, r) :- parent(a, b, r);
  forbid own_kin: kin(a, a, _);
  say kin = "{b} is the {rel} of {a}."
  include "learned.nesy"
}
retrieve hints for kinship from family { query = concat(a, " ", b), search = fulltext(lesson.body, kin) }
pipeline p for kinship {
  stage cot    = sample(teacher = tutor, data = people.train)
  stage base   = finetune(student = small, data = cot)
  stage errors = mine_errors(model = base, data = people.train, against = cot)
  stage learn  = induce(teacher = tutor, data = errors, into = "learned.nesy", min_support = 2)
  stage final  = finetune(student = small, data = cot, retrieve = hints, tasks = [.augmented])
}
"""
TRAIN = """{"id": "t1", "a": "ann", "b": "carl", "label": "grandfather"}
{"id": "t2", "a": "dora", "b": "carl", "label": "grandfather"}
{"id": "t3", "a": "eve", "b": "hugo", "label": "grandfather"}
{"id": "t4", "a": "ann", "b": "cleo", "label": "grandmother"}
{"id": "t5", "a": "dora", "b": "cleo", "label": "grandmother"}
"""
DEV = """{"id": "d1", "a": "finn", "b": "jon", "label": "grandfather"}
{"id": "d2", "a": "finn", "b": "ivo", "label": "father"}
{"id": "d3", "a": "gina", "b": "hugo", "label": "father"}
"""
GOOD = "rule grand: kin(a, c, .grandfather) :- parent(a, b, _), parent(b, c, .father);"
SAME = "rule opa 0.3: kin(x, z, .grandfather) :- parent(x, y, _), parent(y, z, .father);"
FALSE = "rule bad: kin(a, c, .uncle) :- parent(a, b, _), parent(b, c, _);"
TAKEN = "rule base: kin(a, c, .grandmother) :- parent(a, b, _), parent(b, c, .mother);"
TEACHER = """
from pathlib import Path

SAID = SAYS

def teach(request):
    with open(Path(__file__).parent / "calls.txt", "a") as file:
        file.write(request["kind"] + " " + request["row"]["id"] + " " + str(request["problem"] is None) + "\\n")
    if request["kind"] == "sample":
        return "answer: " + request["row"]["label"]
    said = SAID[request["row"]["id"]]
    return said[0] if request["problem"] is None else (said[1](request) if callable(said[1]) else said[1])
"""
SAYS: dict[str, tuple[str, str]] = {
    "t1": (f'Here is one:\n```nesy\n@status(accepted, by = "me")\n{GOOD}\n```\n', ""),
    "t2": (f"{SAME}\n{FALSE}", ""),
    "t3": ("rule unsafe: kin(a, c, .uncle) :- not parent(a, c, _);", GOOD),
    "t4": ("rule g: kin(a, c, grandmother) :- parents(a, b), parents(b, c);", TAKEN),
    "t5": ('rule typed: kin(a, c, 7) :- parent(a, c, "x");', "I cannot."),
}


class KnowsNothing:
    """A student that answers `default`, and where its prompt speaks of a grandfather or grandmother that."""

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.default = "uncle"

    def train(self, stage: Any, lessons: Sequence[Any], *, out: Path, **rest: Any) -> None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "weights").write_text(stage.id)

    def respond(
        self, student: str, weights: Path | None, prompts: Sequence[str], *,
        on_reply: Callable[[int, Reply], None], **rest: Any,
    ) -> None:  # fmt: skip
        self.prompts += prompts
        for index, prompt in enumerate(prompts):
            on_reply(index, Reply(f"answer: {self.answer(prompt)}", 0.5, 1))

    def answer(self, prompt: str) -> str:
        return next(
            (word for word in ("grandfather", "grandmother") if f"the {word} of" in prompt), self.default
        )


class InduceWorld:
    """The project in a folder; `run` is one whole run, as a new process would do it."""

    def __init__(self, folder: Path, spec: str = SPEC, says: object = None) -> None:
        self.folder = folder
        self.learner = KnowsNothing()
        self.reporter = Silent()
        (folder / "nesyc.yaml").write_text("")
        (folder / "kin.nesy").write_text(spec)
        (folder / "train.jsonl").write_text(TRAIN)
        (folder / "dev.jsonl").write_text(DEV)
        (folder / "teach.py").write_text(TEACHER.replace("SAYS", repr(says or SAYS)))

    def open(self, stack: ExitStack) -> Context:
        spec = self.folder / "kin.nesy"
        compiled = compile_spec(spec, self.folder / "build")
        assert compiled.name is not None, [problem.message for problem in compiled.diagnostics]
        build, project = load_build(self.folder / "build" / "kin"), runtime_project(spec)
        knowledge = stack.enter_context(StoredKnowledge(build, project))
        self.reporter = Silent()
        rules = rulebook_of(build, project)
        return open_context(
            build, project, self.learner, knowledge, self.reporter, stack, rules=rules, env={}
        )

    def run(self, **options: Any) -> tuple[Outcome, Context]:
        with ExitStack() as stack:
            ctx = self.open(stack)
            return run(ctx, Options(**options)), ctx

    @property
    def fragment(self) -> Path:
        return self.folder / "learned.nesy"

    def calls(self) -> list[str]:
        file = self.folder / "calls.txt"
        return file.read_text().splitlines() if file.exists() else []
