"""The HTTP teacher against a real server: what is retried, what stops, what is kept, what is never said."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tenacity import wait_none

from nesyc_runtime import config
from nesyc_runtime.errors import Stopped, UserError
from nesyc_runtime.teachers import server as server_module
from nesyc_runtime.teachers.ask import ask_all
from nesyc_runtime.teachers.base import Answer, Dropped, Request
from nesyc_runtime.teachers.likely import Likely, likely_of
from nesyc_runtime.teachers.limits import Budget
from nesyc_runtime.teachers.server import ServerTeacher
from nesyc_runtime.teachers.store import AnswerStore
from tests.teachers.chat_server import ChatServer, positions

KEY = "sk-very-secret"
ENV = {"T_URL": "", "T_KEY": KEY}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "RETRY_WAIT", wait_none())


def teacher(
    url: str,
    price: tuple[float, float] | None = None,
    timeout: float = 5.0,
    top_logprobs: int | None = None,
    **limits: Any,
) -> ServerTeacher:
    declaration = config.Teacher.model_validate(
        {
            "name": "big",
            "endpoint": {
                "kind": "openai_compatible",
                "model": "m",
                "url": {"kind": "env", "name": "T_URL"},
                "key": {"kind": "env", "name": "T_KEY"},
                "temperature": 0.7,
                "max_tokens": 64,
                "timeout": timeout,
                "top_logprobs": top_logprobs,
            },
            "price": {"input": price[0], "output": price[1]} if price else None,
            "limits": limits,
            "system": None,
            "fallback": None,
            "location": {"file": "s.nesy", "line": 1, "col": 1, "end_line": 1, "end_col": 2},
        }
    )
    assert isinstance(declaration.endpoint, config.ServerEndpoint)
    budget = Budget("big", declaration.price, declaration.limits.max_usd)
    return ServerTeacher(declaration, declaration.endpoint, {**ENV, "T_URL": url}, budget)


def requests(count: int) -> list[Request]:
    return [Request("sample", "t", f"question {i}", {"q": i}, {"q": i}) for i in range(count)]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with AnswerStore(tmp_path / "answers.db") as opened:
        yield opened


def test_answers_with_usage_and_key(chat_server: ChatServer, store: AnswerStore) -> None:
    asked = ask_all(teacher(chat_server.url, price=(1.0, 2.0)), requests(3), store)
    assert [answer.text for answer in asked.answers if isinstance(answer, Answer)] == [
        f"echo question {i}" for i in range(3)
    ]
    assert (asked.calls, asked.tokens) == (3, 45)
    assert asked.usd == pytest.approx(3 * (10 * 1.0 + 5 * 2.0) / 1e6)
    assert chat_server.keys == [f"Bearer {KEY}"] * 3
    first = min(chat_server.calls, key=lambda call: str(call["messages"]))  # all three are in flight at once
    assert first == {
        "model": "m",
        "messages": [{"role": "user", "content": "question 0"}],
        "temperature": 0.7,
        "max_tokens": 64,
    }


def test_a_finished_call_is_never_repeated(chat_server: ChatServer, store: AnswerStore) -> None:
    first = ask_all(teacher(chat_server.url), requests(4), store)
    again = ask_all(teacher(chat_server.url), requests(6), store)
    assert len(chat_server.calls) == 6
    assert again.answers[:4] == first.answers
    assert again.calls == 6
    ask_all(teacher(chat_server.url), requests(2), store, generation=1)
    assert len(chat_server.calls) == 8


def test_the_same_question_is_asked_once(chat_server: ChatServer, store: AnswerStore) -> None:
    asked = ask_all(teacher(chat_server.url), [*requests(1), *requests(1)], store)
    assert len(chat_server.calls) == 1 == asked.calls
    assert asked.answers[0] == asked.answers[1]


@pytest.mark.parametrize(
    "failure", ["429", "500", "503", "garbage", "no choices", "null", "empty", "close", "echo key"]
)
def test_what_another_try_mends(chat_server: ChatServer, store: AnswerStore, failure: str) -> None:
    chat_server.script = [failure, failure]
    # two more tries than failures: a kept-alive connection may turn out closed besides
    asked = ask_all(teacher(chat_server.url, in_flight=1, retries=4), requests(2), store)
    assert all(isinstance(answer, Answer) for answer in asked.answers)
    assert len(chat_server.calls) == 4
    assert store.count() == 2


@pytest.mark.parametrize("failure", ["429", "500", "garbage", "no choices", "hang", "close", "echo key"])
def test_a_teacher_that_is_down_stops_and_what_was_answered_is_kept(
    chat_server: ChatServer, store: AnswerStore, failure: str
) -> None:
    chat_server.script = ["answer"] * 3
    chat_server.default = failure
    with pytest.raises(Stopped) as error:
        ask_all(teacher(chat_server.url, in_flight=1, retries=1, timeout=0.3), requests(6), store)
    assert store.count() == 3
    assert len(chat_server.calls) == 3 + 2
    said = f"{error.value.message} {error.value.help}"
    assert KEY not in said and "\x1b" not in said
    chat_server.default = "answer"
    asked = ask_all(teacher(chat_server.url), requests(6), store)
    assert len(chat_server.calls) == 3 + 2 + 3
    assert asked.calls == 6


def test_nobody_listens(store: AnswerStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Stopped, match="does not answer"):
        ask_all(teacher(f"http://127.0.0.1:{port}/v1", retries=1), requests(2), store)
    assert store.count() == 0


def test_an_hour_is_not_waited_for(chat_server: ChatServer, store: AnswerStore) -> None:
    chat_server.script = ["429 for an hour"]
    with pytest.raises(Stopped, match="asks to wait 3600 s"):
        ask_all(teacher(chat_server.url, in_flight=1), requests(1), store)


@pytest.mark.parametrize("status", ["401", "403", "404"])
def test_a_wrong_setup_is_an_error_of_the_user(
    chat_server: ChatServer, store: AnswerStore, status: str
) -> None:
    chat_server.default = status
    with pytest.raises(UserError, match=f"HTTP {status}"):
        ask_all(teacher(chat_server.url, in_flight=1), requests(3), store)
    assert len(chat_server.calls) == 1


@pytest.mark.parametrize(("what", "reason"), [("400", "refused"), ("filter", "refused"), ("empty", "empty")])
def test_a_refused_item_is_left_out_and_not_stored(
    chat_server: ChatServer, store: AnswerStore, what: str, reason: str
) -> None:
    chat_server.script = ["answer", what, *([what] if what == "empty" else [])]
    asked = ask_all(teacher(chat_server.url, in_flight=1, retries=1), requests(3), store)
    assert asked.answers[1] == Dropped(reason)  # type: ignore[arg-type]
    assert asked.calls == store.count() == 2


def test_all_refused_is_the_setup(chat_server: ChatServer, store: AnswerStore) -> None:
    chat_server.default = "400"
    with pytest.raises(UserError, match="all of the first 8 requests were refused"):
        ask_all(teacher(chat_server.url, in_flight=1), requests(30), store)
    assert len(chat_server.calls) == 8


def test_the_budget_holds_with_many_calls_in_flight(chat_server: ChatServer, store: AnswerStore) -> None:
    chat_server.delay = 0.01
    price = (0.0, 1e6 / 64)  # a whole answer is reserved at 1 USD, the real one costs 5 / 64
    with pytest.raises(Stopped, match="limit of 2 USD"):
        ask_all(teacher(chat_server.url, price, in_flight=8, max_usd=2.0), requests(60), store)
    spent = store.count() * 5 / 64
    assert 1.0 - 5 / 64 <= spent <= 2.0
    calls = len(chat_server.calls)
    again = teacher(chat_server.url, price, in_flight=8, max_usd=2.0)
    with pytest.raises(Stopped, match="limit of 2 USD"):
        ask_all(again, requests(60), store, again._budget)
    assert len(chat_server.calls) == calls
    asked = ask_all(teacher(chat_server.url, price, in_flight=8, max_usd=20.0), requests(60), store)
    assert asked.calls == 60 == len(chat_server.calls)


def test_in_flight_and_rpm(chat_server: ChatServer, store: AnswerStore) -> None:
    chat_server.delay = 0.03
    ask_all(teacher(chat_server.url, in_flight=3), requests(12), store)
    assert chat_server.most_in_flight == 3


def test_rpm_spaces_the_calls(chat_server: ChatServer, store: AnswerStore) -> None:
    import time

    start = time.monotonic()
    ask_all(teacher(chat_server.url, rpm=1200, in_flight=8), requests(6), store)
    assert time.monotonic() - start >= 5 * 60 / 1200


def test_no_key_in_the_store_or_the_identity(
    chat_server: ChatServer, store: AnswerStore, tmp_path: Path
) -> None:
    asked = teacher(chat_server.url)
    ask_all(asked, requests(1), store)
    assert KEY not in repr(asked.identity) and KEY not in repr(asked._server)
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes()


def test_where_the_server_stands_is_no_part_of_the_identity() -> None:
    assert teacher("http://a:1/v1").identity == teacher("http://b:2/v1").identity


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8000", "http://", "http://[", "file:///etc/passwd"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(UserError, match="no http"):
        teacher(url)


def test_the_likeliest_tokens_are_kept_with_the_answer(chat_server: ChatServer, store: AnswerStore) -> None:
    asked = ask_all(teacher(chat_server.url, top_logprobs=3), requests(2), store)
    assert all(call["logprobs"] is True and call["top_logprobs"] == 3 for call in chat_server.calls)
    again = ask_all(teacher(chat_server.url, top_logprobs=3), requests(2), store)
    assert again.keys == asked.keys and len(chat_server.calls) == 2
    found = store.likely(asked.keys)
    likely = found[asked.keys[1]]
    said = b"".join(likely.tokens[place] for place in likely.chosen)
    assert said == b"echo question 1"
    assert likely.top.shape == likely.log_p.shape == (15, 3)
    assert [likely.tokens[place] for place in likely.top[0]] == [b"e", b"a", b"b"]
    assert np.exp(likely.log_p[0]) == pytest.approx([0.5, 0.25, 0.125], rel=1e-3)
    assert likely.tail == pytest.approx(np.full(15, 0.125), abs=1e-6)


def test_answers_without_them_are_asked_for_again(chat_server: ChatServer, store: AnswerStore) -> None:
    ask_all(teacher(chat_server.url), requests(1), store)
    asked = ask_all(teacher(chat_server.url, top_logprobs=2), requests(1), store)
    assert len(chat_server.calls) == 2 and len(store.likely(asked.keys)) == 1
    assert "logprobs" not in chat_server.calls[0]


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": [{"token": 3}]},
        {"content": [{"token": "a", "logprob": "x"}]},
        {"content": [{"token": "a", "logprob": float("nan")}]},
        {"content": [{"token": "a", "logprob": 0.7, "bytes": [97]}]},
        {"content": [{"token": "a", "logprob": -1.0, "bytes": [300]}]},
        {"content": ["a"]},
    ],
)
def test_what_is_no_list_of_likely_tokens_is_none(logprobs: Any) -> None:
    assert likely_of(logprobs) is None


def test_likely_tokens_in_odd_forms() -> None:
    item = {"token": "\u00e9", "logprob": -0.1, "bytes": None, "top_logprobs": [
        {"token": "\u00e9", "logprob": -0.1, "bytes": [195, 169]}, {"token": "x", "logprob": -9999.0}]}  # fmt: skip
    likely = likely_of({"content": [item, {"token": "z", "logprob": -3.0}]})
    assert likely is not None
    assert likely.tokens == ("\u00e9".encode(), b"z") and likely.top.tolist() == [[0], [1]]
    same = Likely.unpack(likely.pack())
    assert (
        same.tokens == likely.tokens and (same.top == likely.top).all() and (same.tail == likely.tail).all()
    )
    with pytest.raises(ValueError, match="no likeliest tokens"):
        Likely.unpack(likely.pack()[:40])


def test_an_answer_that_is_there_keeps_its_own_probabilities(store: AnswerStore) -> None:
    old, new = likely_of({"content": positions("old", 2)}), likely_of({"content": positions("new", 2)})
    assert old is not None and new is not None
    store.put("k", "big", Answer("old", likely=old))
    store.put("k", "big", Answer("new", likely=new))
    assert store.get_many(["k"])["k"].text == "old" and store.likely(["k"])["k"].tokens == old.tokens
    store.put("plain", "big", Answer("old"))
    store.put("plain", "big", Answer("new", likely=new))
    assert store.likely(["plain"]) == {}


def test_a_crash_between_an_answer_and_its_probabilities_keeps_neither(store: AnswerStore) -> None:
    class Crash(BaseException):
        pass

    class Broken:
        def pack(self) -> bytes:
            raise Crash

    with pytest.raises(Crash):
        store.put("k", "big", Answer("old", likely=Broken()))  # type: ignore[arg-type]
    assert store.get_many(["k"]) == {} and store.likely(["k"]) == {}
    store.put("k", "big", Answer("new"))
    assert store.get_many(["k"])["k"].text == "new"
