"""Sentence embedders: an encoder whose token vectors are pooled to one vector a text, as its own files say."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.hashing import digest, file_digest
from nesyc_runtime.project import Project, show

if TYPE_CHECKING:
    import numpy as np

BATCH = 32  # texts of like length at once
LONGEST = 512  # tokens, where a model's files say nothing
POOLING, LENGTHS = "1_Pooling/config.json", "sentence_bert_config.json"


class SentenceEmbedder:
    """Vectors of length 1, the mean of a text's token vectors or that of its first token (Reimers and Gurevych 2019).

    Texts are cut at the length the model was trained for. Torch and the model load when a text is first given.
    """

    def __init__(self, embedder: config.Embedder, project: Project, device: str = "cpu") -> None:
        self._embedder, self._project, self._device = embedder, project, device

    @cached_property
    def identity(self) -> str:
        """A hash of the model's name and revision, or of its folder's weights and tokenizer."""
        base = self._embedder.base
        files: list[str] = []
        if base.path is not None:
            folder = self._project.file(base.path)
            found = [*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*/config.json")]
            files = sorted(f"{file.relative_to(folder).as_posix()} {file_digest(file)}" for file in found)
        return digest([base.kind, base.name, base.revision, files, self._embedder.dim])

    def __call__(self, texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """float32 [len(texts), dim]. Raises `UserError` where the model cannot be had or gives another size."""
        import numpy as np
        import torch

        tokenizer, model, first, longest = self._loaded
        made = np.zeros((len(texts), self._embedder.dim), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                places = order[start : start + BATCH]
                some = [texts[place] for place in places]
                fed = tokenizer(some, padding=True, truncation=True, max_length=longest, return_tensors="pt")
                fed = fed.to(self._device)
                hidden = model(**fed).last_hidden_state  # [texts, tokens, dim]
                mask = fed["attention_mask"][:, :, None].to(hidden.dtype)
                pooled = hidden[:, 0] if first else (hidden * mask).sum(1) / mask.sum(1)
                self._check(int(pooled.shape[1]))
                made[places] = torch.nn.functional.normalize(pooled, dim=1).float().cpu().numpy()
        return made

    def _check(self, size: int) -> None:
        if size != self._embedder.dim:
            raise UserError(
                f"embedder {self._embedder.name} gives {size} numbers, it is declared with dim = {self._embedder.dim}",
                f"write dim = {size}, and vector({size}) for its columns",
            )

    @cached_property
    def _loaded(self) -> tuple[Any, Any, bool, int]:
        """Tokenizer, encoder, whether the first token stands for the text, the longest input in tokens."""
        import torch
        from transformers import AutoModel, AutoTokenizer

        from nesyc_runtime.learning.quiet import quiet_transformers

        base, name = self._embedder.base, self._place()
        options: dict[str, Any] = (
            {"revision": base.revision} if base.kind == "hf" else {"local_files_only": True}
        )
        try:
            with quiet_transformers():
                tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **options)
                model = AutoModel.from_pretrained(
                    name, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, **options
                )
        except (OSError, ValueError, ImportError) as error:
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            shown = base.name if base.path is None else show(base.path)
            raise UserError(
                f"embedder {self._embedder.name}: the model {shown} could not be loaded: {first_line}",
                "without network, download it once (`hf download`), or use base = local(FOLDER)",
            ) from None
        pooling, lengths = self._settings(POOLING, options), self._settings(LENGTHS, options)
        longest = min(int(lengths.get("max_seq_length") or LONGEST), LONGEST)
        return tokenizer, model.to(self._device).eval(), bool(pooling.get("pooling_mode_cls_token")), longest

    def _place(self) -> str:
        base = self._embedder.base
        return str(base.name) if base.path is None else str(self._project.file(base.path))

    def _settings(self, file: str, options: dict[str, Any]) -> dict[str, Any]:
        """One of the model's small files, empty where it has none."""
        from transformers.utils.hub import cached_file

        quiet = {
            "_raise_exceptions_for_missing_entries": False,
            "_raise_exceptions_for_connection_errors": False,
        }
        found = cached_file(self._place(), file, **options, **quiet)
        if found is None:
            return {}
        value = json.loads(Path(found).read_text(encoding="utf-8"))
        return value if isinstance(value, dict) else {}


def embedders(
    declared: Sequence[config.Embedder], project: Project, device: str = "cpu"
) -> Callable[[str], SentenceEmbedder]:
    """A function from the name of a declared embedder to the embedder."""
    found = {one.name: SentenceEmbedder(one, project, device) for one in declared}
    return found.__getitem__
