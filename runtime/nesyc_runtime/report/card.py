"""The card of an exported model: what it is, what it was made of, what was measured, what to mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from nesyc_runtime.files import printable

FORMS = {
    "merged": "Whole weights (float32, safetensors), an adapter merged in; `transformers` loads the folder.",
    "adapter": "The adapter alone; load it with `peft` onto the base named above.",
    "gguf": "One GGUF file for llama.cpp and what is built on it.",
}


def model_card(lineage: Mapping[str, Any]) -> str:
    """The README.md of an export, from what nesyc.json says; the front matter is the hub's."""
    student = lineage["student"]
    front: dict[str, Any] = {"library_name": "peft" if lineage["form"] == "adapter" else "transformers"}
    front["tags"] = ["nesyc", "distillation"]
    if student["base_kind"] == "hf":
        front["base_model"] = student["base"]
    parts = [
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---",
        f"# {_text(lineage['model'])}",
        f"{FORMS[lineage['form']]} Distilled by [nesyc](https://pypi.org/project/nesyc/) from the spec "
        f"`{_text(lineage['spec'])}`.",
        "## Made of",
        _list(
            [
                f"base: {_text(student['base'])} ({student['base_kind']}), adapter: {student['adapter']}, "
                f"prompt and response up to {student['max_tokens']} tokens",
                *(f"teacher {_text(t['name'])}: {_teacher(t)}" for t in lineage["teachers"]),
                *(f"data: {_text(name)}" for name in lineage["data"]),
                *(f"stage {_text(stage['id'])}: {stage['kind']}" for stage in lineage["stages"]),
            ]
        ),
    ]
    if lineage["training"] is not None:
        settings = [f"{name}: {_text(_value(value))}" for name, value in lineage["training"].items()]
        parts += ["## Training", _list(settings)]
    parts += ["## Scores", _scores(lineage)]
    parts += ["## Checked", _check(lineage["check"])]
    parts += [
        "## Licence",
        "The weights are a work derived from the base model; what its licence asks holds here too. Answers of a teacher "
        "may be bound by its provider's terms, data by the licence of each set: neither is known to nesyc, see to them "
        "before you pass the model on.",
    ]
    return "\n\n".join(parts) + "\n"


def _scores(lineage: Mapping[str, Any]) -> str:
    if not lineage["scores"]:
        return "None: this state of the spec was not evaluated."
    rows = ["| evaluation | data | metric | value | 95 % interval | items |", "|---|---|---|---|---|---|"]
    for score in lineage["scores"]:
        name = score["metric"] + (f" [{score['group']}]" if score["group"] is not None else "")
        cells = [
            score["evaluate"],
            f"{score['dataset']}.{score['split']}",
            name,
            f"{score['value']:.3f}",
            f"{score['low']:.3f} to {score['high']:.3f}" if score["low"] is not None else "",
            str(score["n"]),
        ]
        rows.append("| " + " | ".join(_text(cell) for cell in cells) + " |")
    return "\n".join(rows) + f"\n\nBootstrap intervals, run {_text(lineage['run'])}."


def _check(check: Mapping[str, int]) -> str:
    if not check["asked"]:
        return "Nothing: no item was asked of the exported files."
    return (
        f"Loaded again after the export and asked {check['asked']} prompts greedily: {check['equal']} answers are those "
        "of the trained model, word for word."
    )


def _teacher(teacher: Mapping[str, Any]) -> str:
    model = f", model {_text(teacher['model'])}" if teacher["model"] else ""
    return f"{teacher['kind']}{model}"


def _value(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _text(value: Any) -> str:
    """A name or a text of the spec as plain words in Markdown: no table, link, code or markup of its own."""
    text = printable(" ".join(str(value).split()), 200)
    for sign in "\\`|<>[]*":
        text = text.replace(sign, f"\\{sign}")
    return text
