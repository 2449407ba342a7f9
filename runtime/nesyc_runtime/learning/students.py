"""Students: a base model with its adapter, loaded and saved."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nesyc_runtime.config import Adapter, Student
from nesyc_runtime.device import out_of_memory
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable, write_json
from nesyc_runtime.inference.formats import prompt_format
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning.bases import base_label, load_base, load_folder
from nesyc_runtime.learning.quiet import quiet_peft, quiet_transformers
from nesyc_runtime.project import Project

ADAPTER_CONFIG = "adapter_config.json"
POSITIONS = r"(^|\.)(wpe$|embed_positions|position_embeddings)"  # names of tables of learned positions


def load_student(
    student: Student,
    *,
    weights: Path | None = None,
    seed: int = 0,
    project: Project | None = None,
    trainable: bool = False,
    device: str = "cpu",
    placed: bool = True,
) -> LoadedStudent:
    """The student as its base makes it, or with the `weights` that a finetune stage saved.

    `seed` fixes every random weight (a scratch base, an adapter); the caller's random state is untouched.
    `trainable` makes the adapter (or keeps the one in `weights` open to training) and leaves the rest
    frozen; without it the model is in evaluation mode. Not `placed`, the weights stay in the machine's memory, to be sharded
    on their way to the device. Raises UserError where base or weights cannot be had.
    """
    with _seeded(seed):
        model, tokenizer = _load_weights(student, weights, project, trainable)
        if trainable and student.adapter.kind != "full" and not _has_adapter(weights):
            model = add_adapter(model, student.adapter)
    try:
        template = prompt_format(tokenizer, student.template)
    except ValueError as error:
        raise UserError(f"student {student.name}: {error}") from None
    _check_positions(student, model)
    if placed:
        model.to(device)
    model.train(trainable)
    return LoadedStudent(student, model, tokenizer, template, device)


def _check_positions(student: Student, model: Any) -> None:
    """Raises UserError where a model that learned a vector for each position has fewer than the student reads tokens."""
    import torch

    words = model.get_input_embeddings()
    tables = (
        table
        for name, table in model.named_modules()
        if isinstance(table, torch.nn.Embedding) and table is not words and re.search(POSITIONS, name)
    )
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    read = max(student.max_tokens, student.max_tokens // 4 + student.max_new_tokens)
    if longest is not None and read > longest and any(tables):
        raise UserError(
            f"student {student.name} reads up to {read} tokens, its base has learned {longest} positions",
            f"max_tokens = {longest}"
            + (f", max_new_tokens below {3 * longest // 4}" if read > student.max_tokens else ""),
        )


def add_adapter(model: Any, adapter: Adapter) -> Any:
    """`model` with a fresh LoRA or DoRA adapter; only the adapter is trainable. Seed torch before."""
    from peft import LoraConfig, get_peft_model

    targets = "all-linear" if adapter.targets == "all_linear" else list(adapter.targets)
    config = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules=targets,  # "all-linear" leaves out the output head
        use_dora=adapter.kind == "dora",
        task_type="CAUSAL_LM",
    )
    try:
        with quiet_peft():
            return get_peft_model(model, config)
    except ValueError as error:
        raise UserError(f"the adapter does not fit the model: {str(error).splitlines()[0]}") from None


def save_student(loaded: LoadedStudent, folder: Path, documents: Mapping[str, Any] | None = None) -> None:
    """Adapter or full weights as safetensors with the tokenizer files, and `documents` as JSON files.

    A folder that was not there appears whole or not at all; into one that was, file by file.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        part = Path(temporary) / "weights"
        model, options = loaded.model, {}
        if hasattr(model, "peft_config"):
            for config in model.peft_config.values():
                config.base_model_name_or_path = base_label(loaded.student.base)
            # they are not adapted, and peft would ask the hub to find that out
            options["save_embedding_layers"] = False
        with quiet_transformers():
            model.save_pretrained(part, **options)
            loaded.tokenizer.save_pretrained(part)
        (part / "README.md").unlink(
            missing_ok=True
        )  # peft's card template says nothing true about this model
        for name, value in (documents or {}).items():
            write_json(part / name, value)
        if not folder.exists():
            part.rename(folder)
            return
        for file in sorted(part.iterdir()):
            file.replace(folder / file.name)


def _load_weights(
    student: Student, weights: Path | None, project: Project | None, trainable: bool
) -> tuple[Any, Any]:
    four_bits = student.adapter.kind == "qlora" and (trainable or _has_adapter(weights))
    if weights is None:
        return load_base(student.base, project, four_bits=four_bits)
    if not _has_adapter(weights):
        with _readable(student, weights):
            return load_folder(weights)
    from peft import PeftModel

    model, tokenizer = load_base(student.base, project, four_bits=four_bits)
    if four_bits and not trainable:
        from nesyc_runtime.learning.four_bits import widened

        model = widened(model)
    with quiet_peft(), _readable(student, weights):
        adapted = PeftModel.from_pretrained(model, str(weights), is_trainable=trainable)
        # merged, an adapter costs nothing while decoding
        return adapted if trainable else adapted.merge_and_unload(), tokenizer


@contextmanager
def _readable(student: Student, weights: Path) -> Iterator[None]:
    """Let weights that a disk has damaged be an error of its owner's, with the way out."""
    from safetensors import SafetensorError

    try:
        yield
    except (UserError, SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        # a library that is missing, memory that is used up: no training would mend these
        if isinstance(error.__context__, ImportError) or out_of_memory(error):
            raise
        why = printable(str(error).replace(str(weights), weights.name), 200)
        raise UserError(
            f"student {student.name}: its trained weights cannot be read: {why}",
            "`nesyc verify` says what is damaged, `nesyc run --refresh STAGE` trains it again",
        ) from error


def _has_adapter(weights: Path | None) -> bool:
    return weights is not None and (weights / ADAPTER_CONFIG).is_file()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
