"""What each method trains is the formula of its paper: the loss of its first step beside one that plain torch gives.

A spec uses the method and is compiled and run: a program teaches, a small student with random weights learns, knowledge
comes from a store. A stage takes all its items in one step, so the loss it reports is that of the untrained student. The
expected number is made in float64 from the model's logits, over texts that are written out here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nesyc.cli.session import open_session
from nesyc.pipeline import compile_spec
from nesyc_runtime.artifact import load_build
from nesyc_runtime.learning import load_student
from nesyc_runtime.project import Project
from nesyc_runtime.stages.ports import Silent
from nesyc_runtime.stages.run import Options, run

SPEC = """nesy 1
include "@nesyc/methods/all.nesy"
dataset words {
  row (id: text key, word: text, length: int)
  split train = jsonl("train.jsonl")
}
teacher big { endpoint = program("teach:teach") }
student small {
  base           = scratch(layers = 2, width = 128, heads = 4, tokenizer = .characters)
  adapter        = .full
  max_tokens     = 200
  max_new_tokens = 4
  options        = { OPTIONS }
}
task count on words {
  input  (word: text)
  output (reasoning: text, answer: int)
  prompt = \"\"\"
    Known: {retrieved}
    Word: {word}
    Spell it, then count.
    \"\"\"
  prompt .answer           = "Word: {word} How many?"
  prompt .augmented_answer = \"\"\"
    Known: {retrieved}
    Word: {word} How many, by what is known?
    \"\"\"
  prompt .rationale        = "Word: {word} Spell it."
  prompt .answer_given     = "Word: {word} Spelt: {reasoning} So how many?"
  parse  answer   = after_last("so:") as int
  metric accuracy = mean(answer == length)
}
kb notes {
  store = sqlite("notes.db")
  relation note(id: int, body: text) { key (id), fulltext (body) }
  facts note { (1, "An owl hoots."), (2, "Each heron fishes.") }
}
kb lessons {
  store = sqlite("lessons.db")
  relation lesson(id: int, body: text) { key (id), fulltext (body) }
}
retrieve told for count from notes { query = word, search = fulltext(note.body) }
retrieve hints for count from lessons { query = word, search = fulltext(lesson.body) }
pipeline p for count = METHOD
"""

# What the teacher answers, the first and the second time. It is wrong about the stork, and once about the sparrow.
SAID = {
    "owl": ["o, w, l.\nso: 3", "An owl has three so: 3"],
    "heron": ["It is h, e, r, o, n so: 5", "It is h, e, r, o, n so: 5"],
    "sparrow": ["s, p, a, r, r, o, w: seven letters.\nso: 7\nThat was easy!", "so: 8"],
    "stork": ["s, t, o, r, k.\nso: 6", "s, t, o, k.\nso: 4"],
}
# What it writes about an error: the word of its own item, and of one other at most.
WRITTEN = {
    "owl": "No owl is as tall as a heron.",
    "heron": "Any heron is taller than a robin.",
    "sparrow": "Any sparrow is smaller than an owl.",
}
TEACH = f"""import json

def teach(request):
    word = request["row"]["word"]
    if request["kind"] == "extract":
        return json.dumps({{"entries": [{{"body": {WRITTEN!r}[word]}}]}})
    return {SAID!r}[word][request["index"]]
"""

Texts = Sequence[tuple[str, str]]
LENGTHS = {"owl": 3, "heron": 5, "sparrow": 7, "stork": 5}
# The rationales that are kept, their answers, and both as one text.
THOUGHTS = {
    "owl": "o, w, l.",
    "heron": "It is h, e, r, o, n",
    "sparrow": "s, p, a, r, r, o, w: seven letters.",
}
ANSWERS = {"owl": "so: 3.", "heron": "so: 5.", "sparrow": "so: 7."}
WHOLE = {
    "owl": "o, w, l.\nso: 3.",
    "heron": "It is h, e, r, o, n so: 5.",
    "sparrow": "s, p, a, r, r, o, w: seven letters.\nso: 7.",
}
DIRECT = [(f"Word: {word}\nSpell it, then count.", text) for word, text in WHOLE.items()]
ANSWER = [(f"Word: {word} How many?", text) for word, text in ANSWERS.items()]
RATIONALE = [(f"Word: {word} Spell it.", text) for word, text in THOUGHTS.items()]
ANSWER_GIVEN = [
    (f"Word: {word} Spelt: {thought} So how many?", ANSWERS[word]) for word, thought in THOUGHTS.items()
]


def augmented(known: dict[str, str]) -> Texts:
    """The whole responses of the items of which something is known, which stands in their prompts."""
    return [
        (f"Known: {text}\nWord: {word}\nSpell it, then count.", WHOLE[word]) for word, text in known.items()
    ]


class Trained:
    """The stages of one method, trained: the loss that each reports, and the student before any training."""

    def __init__(self, folder: Path, method: str, options: str = "micro_tokens = 150") -> None:
        (folder / "nesyc.yaml").touch()
        (folder / "teach.py").write_text(TEACH)
        rows = [{"id": f"#{word}", "word": word, "length": length} for word, length in LENGTHS.items()]
        (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        spec = folder / "s.nesy"
        spec.write_text(SPEC.replace("METHOD", method).replace("OPTIONS", options))
        compiled = compile_spec(spec, folder / "build")
        assert compiled.spec is not None, compiled.diagnostics
        build, project = load_build(folder / "build" / "s"), Project(folder, spec_dir=folder)
        with open_session(build, project, Silent()) as ctx:
            run(ctx, Options())
            self.reports: dict[str, Any] = {
                stage.name: json.loads((ctx.folder(stage.id) / "weights" / "report.json").read_text())
                for stage in ctx.spec.pipelines[0].stages
                if stage.kind == "finetune"
            }
        loaded = load_student(build.spec.students[0], seed=0)
        self.tokenizer, self.model = loaded.tokenizer, loaded.model.double()

    def loss(self, stage: str) -> Any:
        """What the stage reports of its only step."""
        ((step, loss),) = self.reports[stage]["loss"]
        assert step == 0 and not self.reports[stage]["truncated"]
        return pytest.approx(loss, rel=2e-6)  # it is made in float32

    @torch.no_grad()
    def mean(self, texts: Texts) -> float:
        """-log p of a token of the responses, given what stands before it: the mean over all tokens of all of them."""
        losses = []
        for prompt, response in texts:
            read = [self.tokenizer.bos_token_id, *self._ids(f"{prompt}\n")]
            written = [*self._ids(response), self.tokenizer.eos_token_id]
            log_p = self.model(torch.tensor([read + written])).logits[0].log_softmax(-1)
            assert log_p.dtype == torch.float64
            losses += [-float(log_p[place - 1, token]) for place, token in enumerate(written, len(read))]
        return sum(losses) / len(losses)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the numbers of two computations agree in all digits that float32 has."""
    monkeypatch.setenv("NESYC_DEVICE", "cpu")


def test_fine_tuning_learns_the_answers_of_all_items(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "ft(student = small, data = words.train, epochs = 1)")
    assert trained.mean([*ANSWER, ("Word: stork How many?", "so: 5.")]) == trained.loss("final")


def test_knowledge_augmented_fine_tuning_learns_the_answers_with_knowledge(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "kaft(student = small, data = words.train, hints = told, epochs = 1)")
    texts = [
        ("Known: An owl hoots.\nWord: owl How many, by what is known?", "so: 3."),
        ("Known: Each heron fishes.\nWord: heron How many, by what is known?", "so: 5."),
        ("Word: sparrow How many, by what is known?", "so: 7."),
        ("Word: stork How many, by what is known?", "so: 5."),
    ]
    assert trained.mean(texts) == trained.loss("final")


@pytest.mark.parametrize("options", ["micro_tokens = 150", "micro_tokens = 150, packing = true"])
def test_standard_chain_of_thought_learns_each_right_rationale(options: str, tmp_path: Path) -> None:
    """A rationale that was given twice is one, and each token weighs the same, however long its rationale is."""
    trained = Trained(
        tmp_path, "std_cot(teacher = big, student = small, data = words.train, n = 2, epochs = 1)", options
    )
    second = ("Word: owl\nSpell it, then count.", "An owl has three so: 3.")
    assert trained.mean([*DIRECT, second]) == trained.loss("final")


def test_multi_task_chain_of_thought_weighs_answer_and_whole_response(tmp_path: Path) -> None:
    trained = Trained(
        tmp_path, "mt_cot(teacher = big, student = small, data = words.train, alpha = 0.2, epochs = 1)"
    )
    assert 0.2 * trained.mean(ANSWER) + 0.8 * trained.mean(DIRECT) == trained.loss("final")


def test_step_by_step_weighs_answer_and_rationale(tmp_path: Path) -> None:
    trained = Trained(
        tmp_path, "step_by_step(teacher = big, student = small, data = words.train, alpha = 0.3, epochs = 1)"
    )
    assert 0.3 * trained.mean(ANSWER) + 0.7 * trained.mean(RATIONALE) == trained.loss("final")


def test_kard_learns_rationales_with_knowledge(tmp_path: Path) -> None:
    """Where nothing is known of an item, it is learnt without."""
    trained = Trained(
        tmp_path, "kard(teacher = big, student = small, data = words.train, hints = told, epochs = 1)"
    )
    known = augmented({"owl": "An owl hoots.", "heron": "Each heron fishes."})
    assert trained.mean([*known, DIRECT[2]]) == trained.loss("final")


def test_cascod_weighs_rationale_and_the_answer_that_follows_from_it(tmp_path: Path) -> None:
    trained = Trained(
        tmp_path, "cascod(teacher = big, student = small, data = words.train, alpha = 0.1, epochs = 1)"
    )
    assert 0.9 * trained.mean(RATIONALE) + 0.1 * trained.mean(ANSWER_GIVEN) == trained.loss("final")


def test_nesycd_adds_three_tasks_over_a_fresh_student(tmp_path: Path) -> None:
    """An item sees what its neighbours' errors gave, never its own: of the sparrow nothing else is known.

    `base` learns fast, so that a `final` that went on from it would show.
    """
    trained = Trained(
        tmp_path,
        "nesycd(teacher = big, student = small, data = words.train, lessons = lessons.lesson, hints = hints, epochs = 1, lr = 0.01)",
    )
    assert trained.mean(DIRECT) == trained.loss("base")
    known = augmented({"owl": WRITTEN["sparrow"], "heron": WRITTEN["owl"]})
    assert trained.mean(known) + trained.mean(ANSWER) + trained.mean(DIRECT) == trained.loss("final")
