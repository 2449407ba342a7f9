"""A teacher on this machine: what its model reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_student import tiny

from nesyc_runtime import config
from nesyc_runtime.teachers import local
from nesyc_runtime.teachers.base import Answer, Request
from nesyc_runtime.teachers.local import LocalTeacher, prompt_ids

CHAT = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def asked(prompt: str, system: str | None = None) -> Request:
    return Request("sample", "sums", prompt, {}, {}, system=system)


@pytest.mark.parametrize(
    ("template", "system", "read"),
    [
        (CHAT, "Be brief.", "<bos>[system]Be brief.\n[user]2 <eos> 2?\n[assistant]"),
        (CHAT, None, "<bos>[user]2 <eos> 2?\n[assistant]"),
        (None, "Be brief.", "<bos>Be brief.\n\n2 <eos> 2?"),
    ],
)
def test_the_beginning_stands_once_and_a_question_holds_no_control_token(
    template: str | None, system: str | None, read: str
) -> None:
    tokenizer: Any = tiny().tokenizer
    tokenizer.chat_template = template
    ids = prompt_ids(tokenizer, asked("2 <eos> 2?", system))
    assert tokenizer.decode(ids) == read
    assert ids.count(tokenizer.bos_token_id) == 1 and tokenizer.eos_token_id not in ids


def test_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = tiny()
    student.model.save_pretrained(tmp_path)
    student.tokenizer.save_pretrained(tmp_path)
    teacher = LocalTeacher("big", config.LocalEndpoint(model=str(tmp_path), temperature=1.0, max_tokens=3))
    found: dict[int, Any] = {}
    loaded: list[str] = []
    load = local.load_model
    monkeypatch.setattr(
        local, "load_model", lambda name, endpoint: (loaded.append(name), load(name, endpoint))[1]
    )
    for _ in range(2):
        before = dict(found)
        teacher.ask([asked("2 + 2?"), asked("1 + 1?")], found.__setitem__)
    assert before == found, "a request is answered the same again"
    assert loaded == ["big"]
    assert all(isinstance(answer, Answer) for answer in found.values())
