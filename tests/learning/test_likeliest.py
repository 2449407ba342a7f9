"""What a local teacher finds likeliest, kept on the disk: the losses of a teacher that reads every step, read once."""

from __future__ import annotations

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pytest
import torch
from tiny_student import local_teacher, make_stage, make_student, make_task
from training_spec import spec_of

from nesyc.emit.python import emit_train_module
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.learning import (
    TrainingRow,
    encode_items,
    likeliest,
    load_student,
    run_finetune,
    save_student,
    teachers,
)
from nesyc_runtime.learning.job import Job
from nesyc_runtime.learning.launch import launch, torchrun
from nesyc_runtime.learning.likeliest import Asked, with_likeliest
from nesyc_runtime.learning.processes import Share
from nesyc_runtime.project import Project
from nesyc_runtime.stages.clean import leftovers

TASK = make_task()
ROWS = [
    TrainingRow(f"r{n}", {"question": f"{n} x 3?" * (1 + n % 3)}, f"{n} x 3 = {n * 3}.", str(n * 3))
    for n in range(1, 10)
]
DISTIL = config.Distil(
    teacher="big", beta=0.3, temperature=2.0, top_k=5, mix=0.6, on_policy=(0.0, 0.0), fallback=None
)


@pytest.fixture(autouse=True)
def teacher(tmp_path: Path) -> config.Teacher:
    save_student(load_student(make_student(), seed=9), tmp_path / "teacher")
    return local_teacher(tmp_path / "teacher")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a teacher's weights were loaded, and how many files it made."""
    counts: Counter[str] = Counter()
    load, told = teachers.load_weights, likeliest._told

    def counted(*given: Any) -> Any:
        counts["loaded"] += 1
        return load(*given)

    def counted_files(*given: Any) -> Any:
        counts["files"] += 1
        return told(*given)

    monkeypatch.setattr(teachers, "load_weights", counted)
    monkeypatch.setattr(likeliest, "_told", counted_files)
    monkeypatch.setattr(likeliest, "CHUNK", 100)
    return counts


def stage_of(**more: Any) -> config.FinetuneStage:
    return make_stage(**{"loss": "jsd", "distil": DISTIL, "epochs": 3.0, "lr": 1e-2, **more})


def train(
    folder: Path,
    teacher: config.Teacher,
    *,
    kept: bool = True,
    name: str = "weights",
    progress: Any = None,
    **more: Any,
) -> Any:
    stage, student = stage_of(**more), make_student()
    module = folder / "module.py"
    module.write_text(emit_train_module(*spec_of(stage, student)))
    project = Project(folder) if kept else None
    return run_finetune(
        stage, student, TASK, ROWS, module, folder / name,
        seed=5, progress=progress, teacher=teacher, project=project,
    )  # fmt: skip


def files(folder: Path) -> list[Path]:
    return sorted((folder / ".nesy" / "likeliest").glob("*/*.npy"))


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("kind", ["kl", "reverse_kl", "jsd", "tvd"])
def test_losses_are_those_of_a_teacher_that_reads_every_step(
    kind: str, packing: bool, teacher: config.Teacher, tmp_path: Path, read: Counter[str]
) -> None:
    more: dict[str, Any] = {"loss": kind, "options": {"packing": packing}}
    every = train(tmp_path, teacher, kept=False, name="every", **more)
    once = train(tmp_path, teacher, name="once", **more)
    assert [loss for _, loss in once.loss] == pytest.approx([loss for _, loss in every.loss], rel=2e-5)
    assert [file.name for file in files(tmp_path)] == ["whole.npy"] and read["files"] > 3
    told = {decision.what: decision.choice for decision in once.decisions}
    assert told["teacher's probabilities"].startswith("the 5 likeliest of each token kept")
    assert "teacher's probabilities" not in {decision.what for decision in every.decisions}


def test_a_teacher_reads_once_for_all_trainings(
    teacher: config.Teacher, tmp_path: Path, read: Counter[str]
) -> None:
    train(tmp_path, teacher)
    again = train(tmp_path, teacher, name="again", loss="kl", lr=1e-3)  # what is compared is the same
    assert read["loaded"] == 1 and again.steps == 9
    other = DISTIL.model_copy(update={"temperature": 1.0})
    train(tmp_path, teacher, name="other", distil=other)
    assert read["loaded"] == 2


def test_another_teacher_in_the_same_folder_is_another(
    teacher: config.Teacher, tmp_path: Path, read: Counter[str]
) -> None:
    first = train(tmp_path, teacher)
    save_student(load_student(make_student(), seed=11), tmp_path / "teacher")
    second = train(tmp_path, teacher, name="again")
    assert read["loaded"] == 2 and first.loss != second.loss


@pytest.mark.parametrize(
    "more",
    [
        {"distil": DISTIL.model_copy(update={"on_policy": (0.0, 0.5)})},
        {"distil": DISTIL.model_copy(update={"top_k": None})},
        {"distil": DISTIL.model_copy(update={"top_k": 10_000})},
        {"fade": (1.0, 0.0)},
        {"epochs": 0.5},
    ],
)
def test_where_rows_change_or_all_tokens_count_it_reads_every_step(
    more: dict[str, Any], teacher: config.Teacher, tmp_path: Path, read: Counter[str]
) -> None:
    train(tmp_path, teacher, **more)
    assert read == {"loaded": 1} and not files(tmp_path)


class Killed(BaseException):
    pass


def test_what_was_cut_off_goes_on(
    teacher: config.Teacher, tmp_path: Path, read: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole").mkdir()
    train(tmp_path / "whole", teacher)
    count, told = read["files"], likeliest._told

    def cut_off(*given: Any) -> Any:
        if read["files"] == count + 2:
            raise Killed
        return told(*given)

    with monkeypatch.context() as patched:
        patched.setattr(likeliest, "_told", cut_off)
        with pytest.raises(Killed):
            train(tmp_path, teacher)
    assert len(files(tmp_path)) == 2
    train(tmp_path, teacher)
    assert read["files"] == 2 * count
    ours, whole = (folder / "weights" / "model.safetensors" for folder in (tmp_path, tmp_path / "whole"))
    assert ours.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("content", [b"", b"no numpy file", None])
def test_a_damaged_file_is_made_again(
    content: bytes | None, teacher: config.Teacher, tmp_path: Path, read: Counter[str]
) -> None:
    first = train(tmp_path, teacher)
    (damaged,), count = files(tmp_path), read["files"]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-3] if content is None else content)
    assert train(tmp_path, teacher, name="again").loss == first.loss
    assert read["files"] == 2 * count and damaged.read_bytes() == whole


@pytest.mark.parametrize("damage", ["adapter", "dangling"])
def test_a_teachers_folder_that_holds_more_than_its_weights(
    damage: str, teacher: config.Teacher, tmp_path: Path, read: Counter[str]
) -> None:
    """An adapter's base may change, so what it says is not kept; a link that leads nowhere does not matter."""
    if damage == "adapter":
        loaded = load_student(make_student("lora"), trainable=True)
        save_student(load_student(make_student(), seed=9), tmp_path / "base")
        loaded.model.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
        loaded.model.save_pretrained(tmp_path / "adapter")
        loaded.tokenizer.save_pretrained(tmp_path / "adapter")
        teacher = local_teacher(tmp_path / "adapter")
    else:
        (tmp_path / "teacher" / ".#config.json").symlink_to("nowhere")
    train(tmp_path, teacher)
    assert read["loaded"] == 1 and bool(files(tmp_path)) == (damage == "dangling")


def test_progress_goes_up_once(teacher: config.Teacher, tmp_path: Path, read: Counter[str]) -> None:
    shares: list[float] = []
    train(tmp_path, teacher, progress=lambda share, _: shares.append(share))
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert len(shares) == read["files"] + 9 and shares[read["files"]] > 0.1
    shares.clear()
    train(tmp_path, teacher, name="again", progress=lambda share, _: shares.append(share))
    assert shares == pytest.approx([(step + 1) / 9 for step in range(9)]), "nothing was left to read"


@pytest.fixture
def encoded() -> Any:
    loaded = load_student(make_student())
    return encode_items(TASK, ROWS, ("direct", "answer"), loaded.template, 128)


def by_hand(model: Any, ids: tuple[int, ...], prompt: int, asked: Asked) -> tuple[Any, Any]:
    """In float64, one row alone."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()[prompt - 1 : -1, : asked.vocabulary]
    log_p, top = torch.log_softmax(logits / asked.temperature, -1).topk(asked.k)
    return top, log_p


def test_each_token_has_its_likeliest(tmp_path: Path, encoded: Any) -> None:
    model, asked = load_student(make_student(), seed=9).model, Asked(3, 1.5, 40)
    found = with_likeliest(encoded, asked, lambda: model, tmp_path / "t", pad_id=0)
    for row in (row for item in found.items for row in item):
        top, log_p = by_hand(model, row.ids[:], row.prompt_length, asked)
        assert row.targets.known.all() and row.targets.k == 3
        assert row.targets.top.tolist() == top.tolist()
        assert torch.allclose(row.targets.log_p.double(), log_p, atol=1e-5)
    assert found == encoded, "targets are no part of what a row says"


def test_ids_take_two_bytes_where_they_fit() -> None:
    assert Asked(32, 1.0, 49152).record.itemsize == 32 * 6
    assert Asked(32, 1.0, 151_936).record.itemsize == 32 * 8
    assert np.iinfo(Asked(1, 1.0, 2**16).record["top"].base).max == 2**16 - 1


def test_memory_that_runs_out_makes_it_read_less_at_a_time(
    tmp_path: Path, encoded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, asked, sizes = load_student(make_student(), seed=9).model, Asked(3, 1.0, 40), []
    plenty = with_likeliest(encoded, asked, lambda: model, tmp_path / "a", pad_id=0)
    top = likeliest._top

    def narrow(model: Any, rows: Any, *given: Any) -> Any:
        sizes.append(len(rows))
        if len(rows) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return top(model, rows, *given)

    monkeypatch.setattr(likeliest, "_top", narrow)
    little = with_likeliest(encoded, asked, lambda: model, tmp_path / "b", pad_id=0)
    assert sizes[0] == 18 and set(sizes[4:]) <= {1, 2}
    for ours, theirs in zip(little.items, plenty.items, strict=True):
        for row, other in zip(ours, theirs, strict=True):
            assert row.targets.top.tolist() == other.targets.top.tolist()

    def none(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(likeliest, "_top", none)
    with pytest.raises(UserError, match="out of memory where the teacher reads"):
        with_likeliest(encoded, asked, lambda: model, tmp_path / "c", pad_id=0)


def test_a_full_disk_is_an_error_with_a_way_out(
    tmp_path: Path, encoded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left") as caught:
        with_likeliest(
            encoded, Asked(3, 1.0, 40), lambda: load_student(make_student()).model, tmp_path, pad_id=0
        )
    assert "top_k" in caught.value.help and not list(tmp_path.glob(".*.npy*"))


def test_each_process_reads_a_part(
    tmp_path: Path, encoded: Any, read: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, makers = likeliest._told, []

    def by_whom(*given: Any) -> Any:
        makers.append(get_ident())
        return told(*given)

    monkeypatch.setattr(likeliest, "_told", by_whom)
    asked, whole = Asked(3, 1.0, 40), Path("whole.npy")
    model = load_student(make_student(), seed=9).model

    def reads(folder: str, share: Share) -> Any:
        return with_likeliest(encoded, asked, lambda: model, tmp_path / folder, pad_id=0, share=share)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda number: reads("two", Share(number, 2)), range(2)))
    counts = Counter(makers)
    assert len(counts) == 2 and max(counts.values()) - min(counts.values()) <= 1
    reads("one", Share())
    assert (tmp_path / "two" / whole).read_bytes() == (tmp_path / "one" / whole).read_bytes()
    assert len(makers) == 2 * sum(counts.values())


def test_waiting_for_another_process_comes_to_an_end(
    tmp_path: Path, encoded: Any, read: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeliest, "PATIENCE", 0.5)
    model = load_student(make_student()).model
    with pytest.raises(UserError, match="another process has read nothing") as caught:
        with_likeliest(encoded, Asked(3, 1.0, 40), lambda: model, tmp_path / "t", pad_id=0, share=Share(1, 2))
    assert "what was read is kept" in caught.value.help
    assert files_of(tmp_path / "t")


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npy"))


def test_clean_knows_them(teacher: config.Teacher, tmp_path: Path, read: Counter[str]) -> None:
    train(tmp_path, teacher)
    found = [one.folder for one in leftovers(Project(tmp_path), tmp_path / "build") if "likeliest" in one.why]
    assert found == [files(tmp_path)[0].parent]


@pytest.mark.slow
def test_two_processes_read_a_part_each(teacher: config.Teacher, tmp_path: Path, read: Counter[str]) -> None:
    stage, student = stage_of(), make_student()
    module = tmp_path / "module.py"
    module.write_text(emit_train_module(*spec_of(stage, student)))
    alone = train(tmp_path, teacher)
    for file in files(tmp_path):
        file.unlink()
    job = Job(
        stage,
        student,
        TASK,
        ROWS,
        module,
        tmp_path / "two",
        None,
        5,
        Project(tmp_path),
        teacher,
        None,
        "cpu",
    )
    launch(job, torchrun(2))
    report = json.loads((tmp_path / "two" / "report.json").read_text())
    assert [loss for _, loss in report["loss"]] == pytest.approx([loss for _, loss in alone.loss], rel=1e-5)
    assert files(tmp_path)
