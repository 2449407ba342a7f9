"""Logit distillation of SmolLM2-135M from a model of its size: an emitted module's run beside TRL's GKDTrainer.

Both learn LoRA by the Jensen-Shannon divergence (beta 0.5) over the same token ids, responses of the teacher's, not the
student's (`lmbda = 0`), at a vocabulary of 49,152; the teacher's forward pass is part of both. nesyc compares the teacher's 32
likeliest tokens and the tail, which the teacher tells before the student trains; GKD compares the whole distribution: it has no
other way. Needs what `bench training` needs.
"""

from __future__ import annotations

import json
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
from bench.training import LIMIT, REPEATS, SPEC, rows

ITEMS, BATCH, TOP_K = 24, 4, 32  # eight items a step take more than 20 GiB with GKD
LOSS = f"loss = jsd(0.5, teacher = big, top_k = {TOP_K}), "


def run(*, quick: bool = False) -> list[Figure]:
    """Medians of fresh processes, which take turns."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
    with tempfile.TemporaryDirectory() as folder:
        save_teacher(Path(folder) / "teacher")
        for _ in range(1 if quick else REPEATS):
            for name in ARMS:
                command = [sys.executable, "-m", "bench.distil", name, folder]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{name}: {done.stderr[-2000:]}")
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
    middle = {
        name: {key: statistics.median(one[key] for one in runs) for key in runs[0]}
        for name, runs in found.items()
    }
    ours, theirs = middle["nesyc"], middle["trl_gkd"]
    return [
        Figure("nesyc over GKD: time", ours["seconds"] / theirs["seconds"], "times", 0.5, "at most"),
        Figure("nesyc over GKD: peak memory", ours["peak_mib"] / theirs["peak_mib"], "times", 0.3, "at most"),
        *(
            Figure(f"{name}: {key}", value, "")
            for name, values in middle.items()
            for key, value in values.items()
        ),
    ]


def save_teacher(folder: Path) -> None:
    """The student's own base, as a folder that both sides load as a teacher."""
    from nesyc_runtime.learning import load_student

    with tempfile.TemporaryDirectory() as spec:
        build, _, _ = prepared(Path(spec), folder)
    loaded = load_student(build.spec.students[0])
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)


def prepared(folder: Path, teacher: Path) -> tuple[Any, Any, list[Any]]:
    """The compiled spec, its finetune stage, and its rows."""
    from nesyc.pipeline import compile_spec
    from nesyc_runtime.artifact import load_build
    from nesyc_runtime.learning import TrainingRow

    text = SPEC.format(limit=LIMIT, batch=BATCH).replace("tasks = [.direct], ", "tasks = [.direct], " + LOSS)
    (folder / "nesyc.yaml").write_text("# a bench\n")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    (folder / "bench.nesy").write_text(f'{text}teacher big {{ endpoint = hf("{teacher}") }}\n')
    compiled = compile_spec(folder / "bench.nesy", folder / "build")
    assert compiled.spec is not None, compiled.diagnostics
    build = load_build(folder / "build" / "bench")
    some = rows()[:: max(1, len(rows()) // ITEMS)][:ITEMS]
    examples = [
        TrainingRow(
            row["id"],
            {"question": row["question"]},
            row["rationale"],
            row["rationale"].split()[-1].strip("."),
        )
        for row in some
    ]
    return build, build.spec.pipelines[0].stages[-1], examples


def nesyc_arm(folder: Path, teacher: Path) -> dict[str, float]:
    """`run_finetune` as a run calls it; its clock covers what the teacher reads, which it does before, and the steps."""
    from nesyc_runtime.learning.finetune import run_finetune
    from nesyc_runtime.project import Project

    build, stage, examples = prepared(folder, teacher)
    student, task = build.spec.students[0], build.spec.tasks[0]
    big = next(one for one in build.spec.teachers if one.name == "big")
    times: list[float] = []
    report = run_finetune(
        stage,
        student,
        task,
        examples,
        build.train_module(stage),
        folder / "weights",
        progress=lambda share, figures: times.append(time.perf_counter()),
        project=Project(folder),
        teacher=big,
    )
    # the first call comes before the teacher reads
    return {"tokens": report.tokens, "seconds": times[-1] - times[0], "loss": report.loss[-1][1]}


def gkd_arm(folder: Path, teacher: Path) -> dict[str, float]:
    """GKDTrainer on the same ids: prompts padded on the left, responses on the right, as its loss wants them."""
    import datasets
    import torch
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl.experimental.gkd import GKDConfig, GKDTrainer

    from nesyc_runtime.learning import encode_items, load_student

    build, stage, examples = prepared(folder, teacher)
    student, task = build.spec.students[0], build.spec.tasks[0]
    torch.manual_seed(0)
    loaded = load_student(student, trainable=True)
    items = encode_items(task, examples, stage.tasks, loaded.template, LIMIT)
    encoded = [row for item in items.items for row in item]
    pad = loaded.template.pad_id

    def collate(batch: list[dict[str, Any]]) -> dict[str, Any]:
        prompts, responses = [one["prompt"] for one in batch], [one["response"] for one in batch]
        before, after = max(map(len, prompts)), max(map(len, responses))
        ids = torch.full((len(batch), before + after), pad)
        mask = torch.zeros_like(ids)
        labels = torch.full_like(ids, -100)
        for number, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
            start, end = before - len(prompt), before + len(response)
            ids[number, start:end] = torch.tensor([*prompt, *response])
            mask[number, start:end] = 1
            labels[number, before:end] = torch.tensor(response)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels, "prompts": ids[:, :before],
                "prompt_attention_mask": mask[:, :before]}  # fmt: skip

    config = GKDConfig(
        output_dir=str(folder / "trl"), num_train_epochs=1, learning_rate=2e-4, per_device_train_batch_size=BATCH,
        lmbda=0.0, beta=0.5, temperature=1.0, gradient_checkpointing=False, bf16=False, use_cpu=True,
        logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True, dataloader_pin_memory=False,
        lr_scheduler_type="cosine", warmup_steps=1, seed=0, max_length=LIMIT,
    )  # fmt: skip

    class Clock(TrainerCallback):  # type: ignore[misc]
        started = seconds = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self.seconds = time.perf_counter() - self.started

    clock = Clock()
    data = [
        {"prompt": list(row.ids[: row.prompt_length]), "response": list(row.ids[row.prompt_length :])}
        for row in encoded
    ]
    trainer = GKDTrainer(
        model=loaded.model,
        teacher_model=AutoModelForCausalLM.from_pretrained(teacher),
        args=config,
        train_dataset=datasets.Dataset.from_list(data),
        processing_class=loaded.tokenizer,
        data_collator=collate,
        callbacks=[clock],
    )
    result = trainer.train()
    tokens = sum(len(row.ids) for row in encoded)
    return {"tokens": tokens, "seconds": clock.seconds, "loss": result.training_loss}


ARMS: dict[str, Callable[[Path, Path], dict[str, float]]] = {"nesyc": nesyc_arm, "trl_gkd": gkd_arm}


def main(arguments: Sequence[str]) -> None:
    """One arm in this process; its figures as the last line of stdout."""
    name, shared = arguments
    with tempfile.TemporaryDirectory() as folder:
        figures = ARMS[name](Path(folder), Path(shared) / "teacher")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**figures, "peak_mib": peak}))


if __name__ == "__main__":
    main(sys.argv[1:])
