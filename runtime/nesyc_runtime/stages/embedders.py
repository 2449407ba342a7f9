"""Sentence embedders: models that sentence-transformers loads, of the hub or of a local folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.hashing import digest, file_digest
from nesyc_runtime.project import Project, show

if TYPE_CHECKING:
    import numpy as np

BATCH = 32  # texts of like length at once
READ = (".safetensors", ".json", ".txt")  # what decides a model's vectors: weights, settings, vocabulary


class SentenceEmbedder:
    """Vectors of length 1, as the model's own files say (Reimers and Gurevych 2019): pooling, lengths, prompts.

    Torch and the model load when a text is first given. No code that a model brings or names is run.
    """

    def __init__(self, embedder: config.Embedder, project: Project, device: str = "cpu") -> None:
        self._embedder, self._project, self._device = embedder, project, device

    @cached_property
    def identity(self) -> str:
        """A hash of the model's name and revision, or of its folder's weights, settings and tokenizer."""
        base = self._embedder.base
        files: list[str] = []
        if base.path is not None:
            folder = self._project.file(base.path)
            found = [file for file in folder.rglob("*") if file.suffix in READ and file.is_file()]
            files = sorted(f"{file.relative_to(folder).as_posix()} {file_digest(file)}" for file in found)
        return digest([base.kind, base.name, base.revision, files, self._embedder.dim])

    def __call__(
        self, texts: Sequence[str], *, question: bool = False
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """float32 [len(texts), dim]; some models embed a `question` otherwise than what is searched.

        Raises `UserError` where the model cannot be had or gives another size.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, self._embedder.dim), dtype=np.float32)
        encode = self._model.encode_query if question else self._model.encode_document
        made = encode(
            list(texts),
            batch_size=BATCH,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        self._check(int(made.shape[1]))
        return np.asarray(made, dtype=np.float32)

    def _check(self, size: int) -> None:
        if size != self._embedder.dim:
            raise UserError(
                f"embedder {self._embedder.name} gives {size} numbers, it is declared with dim = {self._embedder.dim}",
                f"write dim = {size}, and vector({size}) for its columns",
            )

    @cached_property
    def _model(self) -> Any:
        from nesyc_runtime.learning.quiet import quiet_sentences

        base = self._embedder.base
        local = base.path is not None
        name = str(self._project.file(base.path)) if base.path is not None else str(base.name)
        try:
            with quiet_sentences():
                from sentence_transformers import SentenceTransformer

                return SentenceTransformer(
                    name,
                    device=self._device,
                    revision=base.revision if base.kind == "hf" else None,
                    local_files_only=local,
                    trust_remote_code=False,
                    model_kwargs={"use_safetensors": True, "dtype": "float32"},
                )
        except ModuleNotFoundError as error:
            if error.name != "sentence_transformers":
                raise
            raise UserError(
                f"embedder {self._embedder.name}: models are read by sentence-transformers, which is not installed",
                "pip install 'nesyc[embed]'",
            ) from None
        except (OSError, ValueError, ImportError) as error:
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            shown = base.name if base.path is None else show(base.path)
            raise UserError(
                f"embedder {self._embedder.name}: the model {shown} could not be loaded: {first_line}",
                "without network, download it once (`hf download`), or use base = local(FOLDER)",
            ) from None


def embedders(
    declared: Sequence[config.Embedder], project: Project, device: str = "cpu"
) -> Callable[[str], SentenceEmbedder]:
    """A function from the name of a declared embedder to the embedder."""
    found = {one.name: SentenceEmbedder(one, project, device) for one in declared}
    return found.__getitem__
