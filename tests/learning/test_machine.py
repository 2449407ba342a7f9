"""The device and the precision, chosen with a reason."""

from __future__ import annotations

import pytest
import torch

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.machine import choose_device, choose_precision


def with_gpu(monkeypatch: pytest.MonkeyPatch, *, there: bool, bf16: bool = True) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU 1")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, there=True)
    assert choose_device({}) == ("cuda", "it is there: GPU 1")
    with_gpu(monkeypatch, there=False)
    assert choose_device({}) == ("cpu", "CUDA finds no GPU")


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, there=True)
    assert choose_device({"NESYC_DEVICE": "cpu"})[0] == "cpu"
    assert choose_device({"NESYC_DEVICE": "cuda:1"})[0] == "cuda:1"
    with_gpu(monkeypatch, there=False)
    for asked in ("cuda", "tpu"):
        with pytest.raises(UserError, match=f"NESYC_DEVICE={asked}: there is no such device"):
            choose_device({"NESYC_DEVICE": asked})


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, there=True)
    assert choose_precision(None, "cpu")[0] == "32-true"
    assert choose_precision(None, "cuda:0")[0] == "bf16-mixed"
    assert choose_precision("16-mixed", "cuda") == ("16-mixed", "asked for by the spec")
    with_gpu(monkeypatch, there=True, bf16=False)
    assert choose_precision(None, "cuda")[0] == "32-true"
