"""A trained student as files for other programs: merged safetensors, the adapter alone, or GGUF."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nesyc_runtime.config import Student
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.formats import prompt_format
from nesyc_runtime.inference.generate import generate
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning.bases import gguf_file, load_folder, read_gguf
from nesyc_runtime.learning.gguf_weights import Precision, write_gguf
from nesyc_runtime.learning.students import ADAPTER_CONFIG, load_student, save_student
from nesyc_runtime.project import Project

Form = Literal["merged", "adapter", "gguf"]
CONVERTER = "convert_hf_to_gguf.py"


@dataclass(frozen=True, slots=True)
class Check:
    """How many of `asked` prompts the exported model answers as the trained one does, greedily."""

    asked: int
    equal: int


def export_student(
    student: Student,
    weights: Path | None,
    form: Form,
    out: Path,
    prompts: Sequence[str],
    *,
    project: Project | None = None,
    precision: Precision = "f16",
) -> Check:
    """Write the student with its `weights` into the folder `out`, load that again and ask both the `prompts`.

    An adapter is asked unmerged, so the check sees what merging and rounding change. Raises UserError where the form does
    not suit the student.
    """
    adapted = weights is not None and (weights / ADAPTER_CONFIG).is_file()
    if form == "adapter":
        if weights is None or not adapted:
            raise UserError(
                f"student {student.name} has no adapter: its weights are whole",
                "export it with --form merged",
            )
        shutil.copytree(weights, out, ignore=shutil.ignore_patterns("report.json"))
        exported = load_student(student, weights=out, project=project)
    else:
        merged = load_student(student, weights=weights, project=project)
        if form == "merged":
            save_student(merged, out)
            exported = _loaded(student, *load_folder(out))
        else:
            exported = _export_gguf(merged, out, project, precision)
    trained = load_student(student, weights=weights, project=project, trainable=adapted)
    first, second = (_greedy(model, prompts) for model in (trained, exported))
    return Check(len(prompts), sum(a == b for a, b in zip(first, second, strict=True)))


def _loaded(student: Student, model: Any, tokenizer: Any) -> LoadedStudent:
    return LoadedStudent(student, model.eval(), tokenizer, prompt_format(tokenizer, student.template))


def _greedy(loaded: LoadedStudent, prompts: Sequence[str]) -> list[str]:
    answers = sorted((reply.index, reply.text) for reply in generate(loaded, prompts))
    return [text for _, text in answers]


def _export_gguf(
    merged: LoadedStudent, out: Path, project: Project | None, precision: Precision
) -> LoadedStudent:
    """From a GGUF base: its metadata and tokenizer with the new weights; else by llama.cpp's converter."""
    student = merged.student
    file = out / f"{student.name}-{precision}.gguf"
    out.mkdir(parents=True, exist_ok=True)
    if student.base.kind == "gguf":
        write_gguf(merged.model, gguf_file(student.base, project), file, precision)
    else:
        _convert(merged, file, precision)
    return _loaded(student, *read_gguf(file))


def _convert(merged: LoadedStudent, file: Path, precision: Precision) -> None:
    converter = shutil.which(CONVERTER)
    if converter is None:
        raise UserError(
            f"student {merged.student.name} is no GGUF model and {CONVERTER} is not on the PATH",
            "put llama.cpp's folder on the PATH, or export with --form merged",
        )
    whole = file.parent / "merged"
    save_student(merged, whole)
    command = [sys.executable, converter, str(whole), "--outfile", str(file), "--outtype", precision]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - a program the user installed
    shutil.rmtree(whole)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise UserError(
            f"{CONVERTER} failed: {last}", "see whether it supports the model, or use --form merged"
        )
