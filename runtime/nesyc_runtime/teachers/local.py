"""A teacher that runs on this machine: `hf("org/name")`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.hashing import digest
from nesyc_runtime.teachers.base import Answer, Dropped, OnAnswer, Request


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
        for position, request in enumerate(requests):
            on_answer(position, self._answer(request))

    def _answer(self, request: Request) -> Answer | Dropped:
        import torch

        model, tokenizer = self._load()
        ids = tokenizer(self._text(tokenizer, request), return_tensors="pt")
        temperature = self._endpoint.temperature if request.temperature is None else request.temperature
        options = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(int(digest([request.prompt, request.index])[:8], 16))
            output = model.generate(**ids, max_new_tokens=self._endpoint.max_tokens, **options)
        sent = ids["input_ids"].shape[1]
        text = tokenizer.decode(output[0][sent:], skip_special_tokens=True).strip()
        return Answer(text, (sent, output.shape[1] - sent)) if text else Dropped("empty")

    def _text(self, tokenizer: Any, request: Request) -> str:
        if not getattr(tokenizer, "chat_template", None):
            return f"{request.system}\n\n{request.prompt}" if request.system else request.prompt
        messages = [{"role": "user", "content": request.prompt}]
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            self._loaded = load_model(self.name, self._endpoint)
        return self._loaded


def load_model(teacher: str, endpoint: config.LocalEndpoint) -> tuple[Any, Any]:
    """(model in evaluation mode, tokenizer); raises `UserError` where they cannot be had."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(endpoint.model)
        model = AutoModelForCausalLM.from_pretrained(endpoint.model, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise UserError(
            f"teacher {teacher}: the model cannot be loaded: {printable(str(error))}",
            "check its name and the network",
        ) from None
    return model.eval(), tokenizer
