"""Training modules: one PyTorch Lightning module and data module for each finetune stage."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping

from nesyc.ir import nodes

MODULE = '''\
"""{summary}

{origin}
"""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from nesyc_runtime.learning import ({first}
    EncodedItems,{second}
    StepBatch,
    Steps,
    adamw,
    clip_gradients,{imports}
    train_options,
)
from torch import Tensor
from torch.utils.data import DataLoader

TASK_WEIGHTS = {weights}
EPOCHS = {epochs}
BATCH = {batch}  # items; each brings a row for every training task
LEARNING_RATE = {lr}
WARMUP = {warmup}  # share of all steps
SCHEDULE = {schedule}
OPTIONS = train_options({options}){divergence}


class FineTuning(pl.LightningModule):
    """{loss}"""

    def __init__(self, model: torch.nn.Module, steps: int{argument}) -> None:
        super().__init__()
        self.model = model{teacher}
        self.steps = steps
        self.automatic_optimization = False  # the micro-batches of a step differ in size: see training_step

    def training_step(self, batch: StepBatch, batch_idx: int) -> Tensor:
        """One optimizer step; the losses of its micro-batches add up to the loss of the whole step."""
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        optimizer.zero_grad()
        loss = torch.zeros((), device=self.device)
        for micro in batch.micro_batches:
            part = {call}
            self.manual_backward(part * self.trainer.world_size)  # processes average their gradients
            loss += part.detach()
        if OPTIONS.clip > 0:
            clip_gradients(self.parameters(), OPTIONS.clip)
        optimizer.step()
        schedule.step()
        return loss

    def configure_optimizers(self):  # type: ignore[no-untyped-def]
        optimizer = adamw(self.model, LEARNING_RATE, OPTIONS)
        return [optimizer], [lr_schedule(optimizer, SCHEDULE, WARMUP, self.steps)]


class Examples(pl.LightningDataModule):
    """{examples}"""

    def __init__(self, items: EncodedItems, *, pad_id: int, seed: int) -> None:
        super().__init__()
        self.steps = Steps(
            items.items,
            task_weights=TASK_WEIGHTS,
            batch=BATCH,
            epochs=EPOCHS,
            pad_id=pad_id,
            seed=seed,
            micro_tokens=OPTIONS.micro_tokens,
        )

    def train_dataloader(self) -> DataLoader[StepBatch]:
        return self.steps.loader()
'''

PLAIN = {
    "first": "",
    "second": "",
    "imports": "\n    lr_schedule,\n    token_loss,",
    "divergence": "",
    "argument": "",
    "teacher": "",
    "call": "token_loss(self.model, micro)",
}
DISTILLED = {
    "first": "\n    Divergence,",
    "second": "\n    FrozenTeacher,",
    "imports": "\n    distil_loss,\n    lr_schedule,",
    "argument": ", teacher: FrozenTeacher | None",
    "teacher": "\n        self.teacher = teacher",
    "call": "distil_loss(self.model, self.teacher, micro, DIVERGENCE)",
}

TASKS = {
    "direct": "question to rationale and answer",
    "answer": "question to answer",
    "rationale": "question to rationale",
    "answer_given": "question and rationale to answer",
    "augmented": "question and retrieved knowledge to rationale and answer",
    "augmented_answer": "question and retrieved knowledge to answer",
    "explain": "question to answer, then rationale",
}


def emit_train_module(spec: nodes.Spec, stage: nodes.FinetuneStage) -> str:
    """The text of `train/STAGE.py`.

    What the spec says enters as names (checked identifiers) and as literals by `repr`: spec text never becomes code.
    """
    student = next(student for student in spec.students if student.name == stage.student)
    weights: dict[str, float] = dict(
        zip(stage.tasks, stage.weights or (1.0,) * len(stage.tasks), strict=True)
    )
    return MODULE.format(
        summary=f"Stage `{_name(stage.id)}`: fine-tunes `{_name(stage.model)}` on {_listed(stage.examples)}.",
        origin=_origin(stage),
        weights=_mapping({task: float(weight) for task, weight in weights.items()}),
        epochs=_number(stage.epochs),
        batch=_number(stage.batch),
        lr=_number(stage.lr),
        warmup=_number(stage.warmup),
        schedule=_text(stage.schedule),
        options=_mapping({**student.options, **stage.options}),
        loss=_loss(stage, weights),
        examples=_examples(stage),
        **_parts(stage),
    )


def _parts(stage: nodes.FinetuneStage) -> Mapping[str, str]:
    """Where a module with a teacher differs from one without."""
    if stage.distil is None:
        return PLAIN
    given = {
        "beta": stage.distil.beta,
        "temperature": stage.distil.temperature,
        "top_k": stage.distil.top_k,
        "mix": stage.distil.mix,
    }
    options = "".join(f", {name}={_number(value)}" for name, value in given.items() if value is not None)
    return {**DISTILLED, "divergence": f"\nDIVERGENCE = Divergence({_text(stage.loss)}{options})"}


def _origin(stage: nodes.FinetuneStage) -> str:
    place = f"{_shown(stage.location.file)}:{stage.location.line}"
    text = f"Compiled by nesyc from {place}: change the spec, not this file."
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _shown(file: str) -> str:
    """A file's name as a docstring can hold it: no sign closes the string, escapes, or breaks the line."""
    return "".join(sign if sign.isprintable() and sign not in '"\\' else "?" for sign in file)


def _loss(stage: nodes.FinetuneStage, weights: Mapping[str, float]) -> str:
    if len(weights) == 1 and stage.distil is None:
        return (
            "Cross-entropy on the response, the mean over the label tokens of a step; prompts carry no loss."
        )
    measure = _measure(stage)
    if len(weights) == 1:
        what = f"Loss of a step: {measure}."
        return _indented([what, "", "It is the mean over the response's tokens; prompts carry no loss."])
    terms = " + ".join(f"{_number(weight)} * {task}" for task, weight in weights.items())
    each = (
        f"Each term is the mean {measure} over that training task's response tokens; prompts carry no loss."
    )
    return _indented([f"Loss of a step: {terms}.", "", *textwrap.wrap(each, 104)])


def _measure(stage: nodes.FinetuneStage) -> str:
    """What is averaged over tokens, in words."""
    if stage.distil is None:
        return "cross-entropy"
    divergence = f"{stage.loss} from `{_name(stage.distil.teacher)}`"
    if stage.distil.mix == 1:
        return divergence
    rest = _number(round(1 - stage.distil.mix, 9))
    return f"{_number(stage.distil.mix)} * {divergence} + {rest} * cross-entropy"


def _examples(stage: nodes.FinetuneStage) -> str:
    lines = ["The examples of a run as optimizer steps.", ""]
    lines += [f".{task}: {TASKS[task]}" for task in stage.tasks]
    if stage.retrieve:
        lines.append(f"Knowledge is retrieved by `{_name(stage.retrieve)}`.")
    return _indented(lines)


def _indented(lines: list[str]) -> str:
    """Lines of a docstring inside a class; the first stands where the docstring opens."""
    body = textwrap.indent("\n".join(lines[1:]), "    ")  # blank lines stay blank
    return f"{lines[0]}\n{body}\n    "


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(f"`{_name(name)}`" for name in names)


def _name(name: str) -> str:
    if not all(part.isascii() and part.isidentifier() for part in name.split(".")):
        raise ValueError(f"{name!r} is no name of a spec")
    return name


def _mapping(values: Mapping[str, nodes.Scalar]) -> str:
    return "{" + ", ".join(f"{_text(key)}: {_literal(value)}" for key, value in values.items()) + "}"


def _literal(value: nodes.Scalar) -> str:
    if isinstance(value, str):
        return _text(value)
    return repr(value) if value is None or isinstance(value, bool) else _number(value)


def _number(value: int | float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value!r} is no number a spec can hold")
    return repr(value)


def _text(value: str) -> str:
    """A string literal in double quotes, escaped so that it stays one line of ASCII."""
    body = ascii(value)[1:-1]
    if ascii(value)[0] == "'":
        body = body.replace("\\'", "'").replace('"', '\\"')
    return f'"{body}"'
