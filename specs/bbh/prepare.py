"""Items of BIG-Bench Hard and a teacher's recorded answers, an option's words in the place of its letter.

    python specs/bbh/prepare.py "$NESY_DATA" specs/bbh/data

A model of 135M parameters that chooses the right option writes a letter beside it at random: before, its accuracy said nothing
about what it knows. Written are items.jsonl and answers.jsonl.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

ANSWERS = "teacher/bbh_codex_cot.jsonl"
TASKS = ("sports_understanding", "date_understanding", "object_counting", "movie_recommendation")
OPTION = re.compile(r"^\(([A-Z])\) (.+)$", re.MULTILINE)
LETTER = re.compile(r"\(([A-Z])\)")


def options_of(question: str) -> dict[str, str]:
    """The options that a question lists, by letter; none where its answer is free."""
    return {letter: words.strip() for letter, words in OPTION.findall(question)}


def without_letters(question: str) -> str:
    """The question, its options as a plain list."""
    return OPTION.sub(r"- \2", question)


def in_words(text: str, options: Mapping[str, str]) -> str:
    """The text, each letter of an option in brackets replaced by the option."""
    return LETTER.sub(lambda letter: options.get(letter[1], letter[0]), text)


def prepare(data: Path, out: Path) -> None:
    """Read `data`/bbh/TASK.json and `data`/teacher/bbh_codex_cot.jsonl, write into `out`.

    Raises `OSError` or `ValueError` where these cannot be read.
    """
    rows, options = [], {}
    for task in TASKS:
        examples = json.loads((data / "bbh" / f"{task}.json").read_text(encoding="utf-8"))["examples"]
        for index, example in enumerate(examples):
            listed = options[task, index] = options_of(example["input"])
            question, target = without_letters(example["input"]), in_words(example["target"], listed)
            rows.append({"task": task, "index": index, "input": question, "target": target})
    told = map(json.loads, (data / ANSWERS).read_text(encoding="utf-8").splitlines())
    answers = [
        {
            "task": one["task"],
            "index": one["index"],
            "rationale": in_words(one["rationale"], options[one["task"], one["index"]]),
        }
        for one in told
        if (one["task"], one["index"]) in options
    ]
    out.mkdir(parents=True, exist_ok=True)
    write_lines(out / "items.jsonl", rows)
    write_lines(out / "answers.jsonl", answers)


def write_lines(file: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """One JSON object a line."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Prepare as the command line says; exit 2 with what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help=f"the folder with bbh/TASK.json and {ANSWERS}")
    parser.add_argument("out", type=Path, help="the folder to write items.jsonl and answers.jsonl into")
    given = parser.parse_args()
    try:
        prepare(given.data, given.out)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except (ValueError, KeyError, TypeError) as error:
        parser.error(f"the files of {given.data} are not those of the benchmark: {error!r}")


if __name__ == "__main__":
    main()
