"""Token ids for a prompt and a response: one object for training, evaluation and `ask`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nesyc_runtime.inference.prompts import Prompt

SENTINEL = "0b5e7d"  # stands for the user's and the assistant's text while a chat template is taken apart


@dataclass(frozen=True)
class PromptFormat:
    """A prompt's ids are `before + text + after`, a response's `text + end`; each text is encoded by itself.

    A chat template gives `before` (system text, user header), `after` (end of turn, assistant header) and
    `end`; without one `before` is the tokenizer's beginning-of-text token where it adds one, `after` a line
    break and `end` the end-of-text token. Text is encoded with control tokens switched off, so that
    nothing a data row or a retrieved entry says can close a turn. The beginning-of-text token stands once,
    and `end` is learnt as part of the response and ends decoding (its first id is in `stop_ids`).
    """

    tokenizer: Any
    before: tuple[int, ...]
    after: tuple[int, ...]
    end: tuple[int, ...]
    stop_ids: frozenset[int]
    pad_id: int
    chat: bool

    def prompt_ids(self, prompt: str, limit: int | None = None) -> list[int]:
        """The ids of a prompt; over `limit` its text loses its beginning, for the question stands at its end."""
        ids = self.text_ids(prompt)
        if limit is not None:
            room = max(0, limit - len(self.before) - len(self.after))
            ids = ids[len(ids) - min(room, len(ids)) :]
        return [*self.before, *ids, *self.after]

    def fit(self, prompt: str, limit: int) -> tuple[list[int], tuple[str, ...]]:
        """The ids of a prompt, at most `limit` of them, and what it lost for that: the end of what was retrieved, then its
        beginning. So it is in training, and so when a student is asked."""
        cut = []
        ids = self.prompt_ids(prompt)
        if len(ids) > limit and isinstance(prompt, Prompt) and prompt.knowledge:
            told = self.text_ids(prompt.knowledge)
            prompt = prompt.told(self.text(told[: max(0, len(told) - (len(ids) - limit) - 1)]))
            ids = self.prompt_ids(prompt)
            cut.append("knowledge")
        if len(ids) > limit:
            ids = self.prompt_ids(prompt, limit)
            cut.append("prompt")
        return ids, tuple(cut)

    def response_ids(self, response: str) -> list[int]:
        return [*self.text_ids(response.strip()), *self.end]

    def text_ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return ids

    def text(self, ids: Sequence[int]) -> str:
        """The text of decoded ids, without control tokens and outer white space."""
        decoded: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return decoded.strip()


def prompt_format(tokenizer: Any, template: Literal["auto", "chat", "plain"] = "auto") -> PromptFormat:
    """The format for a tokenizer; `auto` is chat where it has a chat template.

    Raises ValueError where `chat` is asked of a tokenizer without a template, or it has no end-of-text token.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-text token")
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if template == "chat" and not has_template:
        raise ValueError("the tokenizer has no chat template: say template = .plain")
    if template == "plain" or not has_template:
        return _plain_format(tokenizer)
    return _chat_format(tokenizer)


def _plain_format(tokenizer: Any) -> PromptFormat:
    with_specials = tokenizer("a")["input_ids"]
    bos = tokenizer.bos_token_id
    before = (bos,) if bos is not None and with_specials[:1] == [bos] else ()
    eos = tokenizer.eos_token_id
    line_break = tuple(tokenizer("\n", add_special_tokens=False)["input_ids"])
    return _format(tokenizer, before, line_break, (eos,), frozenset({eos}), chat=False)


def _chat_format(tokenizer: Any) -> PromptFormat:
    messages = [{"role": "user", "content": SENTINEL}]
    asked = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    reply = [*messages, {"role": "assistant", "content": SENTINEL}]
    answered = tokenizer.apply_chat_template(reply, tokenize=False)
    before, _, after = asked.partition(SENTINEL)
    end = answered.rpartition(SENTINEL)[2].rstrip() or tokenizer.eos_token
    ids = [tuple(tokenizer(part, add_special_tokens=False)["input_ids"]) for part in (before, after, end)]
    stops = frozenset({ids[2][0], tokenizer.eos_token_id})
    return _format(tokenizer, ids[0], ids[1], ids[2], stops, chat=True)


def _format(
    tokenizer: Any,
    before: tuple[int, ...],
    after: tuple[int, ...],
    end: tuple[int, ...],
    stop_ids: frozenset[int],
    *,
    chat: bool,
) -> PromptFormat:
    pad = tokenizer.pad_token_id
    pad_id = tokenizer.eos_token_id if pad is None else pad
    return PromptFormat(tokenizer, before, after, end, stop_ids, pad_id, chat)
