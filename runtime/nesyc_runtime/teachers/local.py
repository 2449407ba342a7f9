"""A teacher that runs on this machine: `hf("org/name")`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from nesyc_runtime import config
from nesyc_runtime.device import choose_device
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.hashing import digest
from nesyc_runtime.teachers.base import Answer, Dropped, OnAnswer, Request

SENTINEL = "0b5e7d-{}"  # stands for a text while a chat template is taken apart


class LocalTeacher:
    """Answers one request at a time, each with a hash of the request as its seed: it can be had again."""

    stored = True

    def __init__(self, name: str, endpoint: config.LocalEndpoint) -> None:
        self.name = name
        self._endpoint = endpoint
        self._loaded: tuple[Any, Any] | None = None
        self.identity: Mapping[str, Any] = {
            "kind": "hf",
            "model": endpoint.model,
            "temperature": endpoint.temperature,
            "max_tokens": endpoint.max_tokens,
        }

    def ask(self, requests: Sequence[Request], on_answer: OnAnswer) -> None:
        import torch

        for position, request in enumerate(requests):
            on_answer(position, self._answer(request))
        if self._loaded is not None and self._loaded[0].device.type == "cuda":
            self._loaded = None  # the student that is trained next needs the room
            torch.cuda.empty_cache()

    def _answer(self, request: Request) -> Answer | Dropped:
        import torch

        model, tokenizer = self._load()
        ids = torch.tensor([prompt_ids(tokenizer, request)], device=model.device)
        temperature = self._endpoint.temperature if request.temperature is None else request.temperature
        options = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(int(digest([request.prompt, request.index])[:8], 16))
            output = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self._endpoint.max_tokens,
                **options,
            )
        sent = ids.shape[1]
        text = tokenizer.decode(output[0][sent:], skip_special_tokens=True).strip()
        return Answer(text, (sent, output.shape[1] - sent)) if text else Dropped("empty")

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            model, tokenizer = load_model(self.name, self._endpoint)
            self._loaded = model.to(choose_device(os.environ)[0]), tokenizer
        return self._loaded


def prompt_ids(tokenizer: Any, request: Request) -> list[int]:
    """A request as the model's chat template puts it; its beginning stands once, and what it says closes no turn."""

    def text_ids(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ids

    if not getattr(tokenizer, "chat_template", None):
        before = [one for one in tokenizer("a")["input_ids"][:1] if one == tokenizer.bos_token_id]
        text = f"{request.system}\n\n{request.prompt}" if request.system else request.prompt
        return [*before, *text_ids(text)]
    said = {SENTINEL.format("user"): request.prompt, SENTINEL.format("system"): request.system or ""}
    user, system = ({"role": role, "content": SENTINEL.format(role)} for role in ("user", "system"))
    messages = [system, user] if request.system else [user]
    rendered = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    ids: list[int] = []
    for part in re.split(f"({'|'.join(said)})", rendered):
        if part in said:
            ids += text_ids(said[part])
        elif part:
            ids += tokenizer(part, add_special_tokens=False)["input_ids"]
    return ids


def load_model(teacher: str, endpoint: config.LocalEndpoint) -> tuple[Any, Any]:
    """(model in evaluation mode, tokenizer); raises `UserError` where they cannot be had."""
    tokenizer = load_tokenizer(teacher, endpoint)
    return load_weights(teacher, endpoint), tokenizer


def load_tokenizer(teacher: str, endpoint: config.LocalEndpoint) -> Any:
    """Raises `UserError` where it cannot be had."""
    from transformers import AutoTokenizer

    with _loading(teacher):
        return AutoTokenizer.from_pretrained(endpoint.model)


def load_weights(teacher: str, endpoint: config.LocalEndpoint) -> Any:
    """The model in evaluation mode; raises `UserError` where it cannot be had."""
    from transformers import AutoModelForCausalLM

    with _loading(teacher):
        return AutoModelForCausalLM.from_pretrained(endpoint.model, use_safetensors=True).eval()


class WeightsIdentity(NamedTuple):
    """What tells a model's weights from others of its name: a folder's files with sizes and times, the commit of a model of the
    hub; and how many tokens it knows."""

    model: str
    commit: str | None
    files: tuple[tuple[str, int, int], ...]
    vocabulary: int


def weights_identity(endpoint: config.LocalEndpoint) -> WeightsIdentity | None:
    """None where nothing tells: an adapter stands on a base that may change."""
    from transformers import AutoConfig

    folder = Path(endpoint.model)
    if (folder / "adapter_config.json").exists():
        return None
    try:
        settings = AutoConfig.from_pretrained(endpoint.model)
    except (OSError, ValueError):
        return None
    stats = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if file.is_file():
            stat = file.stat()
            stats.append((file.name, stat.st_size, stat.st_mtime_ns))
    commit = getattr(settings, "_commit_hash", None)
    if not stats and commit is None:
        return None
    return WeightsIdentity(endpoint.model, commit, tuple(stats), int(settings.get_text_config().vocab_size))


@contextmanager
def _loading(teacher: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(
            f"teacher {teacher}: the model cannot be loaded: {printable(str(error))}",
            "check its name and the network",
        ) from None
