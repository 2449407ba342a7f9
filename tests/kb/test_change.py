"""A KB brought up to date after a change is what it would be derived anew: random programs, random edits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from programs import Source, compiled
from random_programs import CONFIDENCES, generate
from running import derived, open_kb
from samples import fact

from nesyc.emit.sql import emit_program
from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc.pipeline import check_spec
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.rules import change, maintain
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.rows import Claim, find_row, hold, interned, owned_rows, release
from nesyc_runtime.kb.storage.store import Store, open_store

CHUNKS = 10
CHUNK = 150 if os.environ.get("NESYC_FUZZ") else 12


def turned(path: Path, to: ir.Kb) -> Store:
    """The store under another text, as the next command opens it."""
    store = open_store(path, config.Kb.model_validate(encode(to)), emit_program(to).to_json())
    try:
        sync_source(store)
        evaluate(store)
    except BaseException:
        store.close()
        raise
    return store


def edits(source: Source, random: Random) -> Iterator[Source]:
    """The program after one edit, after two, ...: facts and rules go, come back, and are changed."""
    first = now = source
    for _ in range(4):
        facts, rules = list(now.facts), list(now.rules)
        match random.choice(("less", "more", "fact", "conf", "drop", "restore", "literal", "rule conf")):
            case "less":
                facts = [one for one in facts if random.random() < 0.7]
            case "more":
                facts += generate(random.randrange(1000), source.semantics).facts
            case "fact":
                facts = [*facts[1:], *first.facts[:1]]
            case "conf":
                facts = [
                    replace(one, row=f"{one.row.rsplit(' ', 1)[0]} {random.choice(CONFIDENCES)}")
                    for one in facts
                ]
            case "drop":
                rules.pop(random.randrange(len(rules))) if rules else None
            case "restore":
                rules = list(first.rules)
            case "literal":
                rules = [
                    replace(one, body=one.body[1:]) if len(one.body) > 1 and random.random() < 0.3 else one
                    for one in rules
                ]
            case _:
                rules = [replace(one, confidence=random.choice(CONFIDENCES)) for one in rules]
        once = {(one.relation, one.row.rsplit(" ", 1)[0]): one for one in facts}
        now = replace(now, facts=tuple(once.values()), rules=tuple(rules))
        yield now


@pytest.mark.parametrize("semantics", ["boolean", "max_min", "max_product", "top_proofs"])
@pytest.mark.parametrize(
    "chunk", [pytest.param(n, marks=[pytest.mark.fuzz] + [pytest.mark.slow] * (n > 0)) for n in range(CHUNKS)]
)
def test_a_changed_kb_is_what_it_would_be_derived_anew(
    semantics: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "MOST", 9.0)
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        random = Random(f"{semantics} {number}")
        monkeypatch.setattr(maintain, "FEW", random.choice((0, 500)))
        source = generate(number, semantics)
        path = tmp_path / f"{number}.db"
        history = [source]
        for now in (source, *edits(source, random)):
            program = compiled(now, tmp_path)
            if program is None:
                continue
            history.append(now)
            try:
                with open_kb(program) as fresh:
                    wanted = derived(fresh, program)
            except UserError:
                with pytest.raises(UserError):
                    turned(path, program)
                continue
            with turned(path, program) as store:
                found = derived(store, program)
            assert found == pytest.approx(wanted, abs=1e-12), "\n\n".join(map(str, history))


RECURSIONS = {
    "left": "rule a 0.9: p(x, y) :- e(x, y); rule b: p(x, z) :- p(x, y), e(y, z);",
    "right": "rule a: p(x, y) :- e(x, y); rule b 0.9: p(x, z) :- e(x, y), p(y, z);",
    "both": "rule a: p(x, y) :- e(x, y); rule b 0.9: p(x, z) :- p(x, y), p(y, z);",
    "mutual": "rule a: p(x, y) :- e(x, y); rule b 0.9: q(x, z) :- p(x, y), e(y, z); rule c: p(x, z) :- q(x, y), e(y, z), f(y);",
    "joins": "rule a: p(x, z) :- e(x, y), e(y, z), e(z, x); rule b 0.8: p(x, y) :- p(y, x), or (f(x), e(x, x));",
    "generation": "rule a: p(x, x) :- f(x); rule b 0.9: p(x, y) :- e(x, u), p(u, v), e(y, v);",
    "winners": "rule a 0.9: p(x, y) :- e(x, y); rule b: p(x, z) :- p(x, y), e(y, z); rule c 0.7: w(x, y) :- p(x, y), x != y;",
}
ABOVE = """
  rule up: r(x) :- p(x, x), f(x);
  rule un: s(x) :- f(x), not p(x, x);
  rule nu: t(x, n) :- f(x), n = count(y: p(x, y));
  rule ov: r(x) :- t(x, 2);
  rule wi: r(x) :- w(x, "a");
"""


def recursive(
    semantics: str, rules: str, facts: tuple[ir.Fact, ...], folder: Path, above: str = ABOVE
) -> ir.Kb:
    text = f"""nesy 1
    kb test {{
      semantics = {semantics}
      relation e(x: text, y: text)
      relation f(x: text)
      derived p(x: text, y: text)
      derived q(x: text, y: text)
      derived w(x: text, y: text) {{ unique (x) resolve highest_conf }}
      derived r(x: text)
      derived s(x: text)
      derived t(x: text, n: int)
      {rules}
      {above}
    }}
    """
    path = folder / "recursive.nesy"
    checked = check_spec(path, unsaved={path: text})
    assert checked.spec is not None, checked
    (kb,) = checked.spec.kbs
    return replace(kb, facts=facts)


def apply(store: Store, random: Random, held: dict[tuple[str, ...], float]) -> None:
    """Some facts more, some less, some surer or less sure; `held` follows."""
    with store.writing():
        for _ in range(random.randint(1, 3)):
            row = random.choice(
                [("e", random.choice("abcde"), random.choice("abcde")), ("f", random.choice("abcde"))]
            )
            plan = store.relation(row[0])
            values = interned(store, plan, row[1:])
            if row in held and random.random() < 0.7:
                (number,) = [
                    n for n in owned_rows(store, plan, "person") if find_row(store, plan, values) == n
                ]
                release(store, plan, number, "person")
                del held[row]
            else:
                held[row] = random.choice(CONFIDENCES)
                hold(store, plan, values, Claim("person", held[row], "human"))
        store.facts_changed()


@pytest.mark.parametrize("semantics", ["boolean", "max_min", "max_product"])
@pytest.mark.parametrize("name", RECURSIONS)
def test_facts_that_come_and_go_reach_what_depends_on_them(
    name: str, semantics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "MOST", 9.0)
    ran = 0
    run = maintain.Maintenance.run

    def counted(self: maintain.Maintenance) -> int | None:
        nonlocal ran
        rounds = run(self)
        ran += rounds is not None
        return rounds

    monkeypatch.setattr(maintain.Maintenance, "run", counted)
    empty = recursive(semantics, RECURSIONS[name], (), tmp_path)
    for number in range(CHUNK // 3):
        random = Random(f"{name} {semantics} {number}")
        held: dict[tuple[str, ...], float] = {}
        with open_kb(empty) as store:
            for _ in range(4):
                apply(store, random, held)
            for _ in range(6):
                apply(store, random, held)
                assert evaluate(store).ran
                now = replace(empty, facts=tuple(fact(*row, conf=conf) for row, conf in held.items()))
                with open_kb(now) as fresh:
                    assert derived(store, empty) == pytest.approx(derived(fresh, empty), abs=1e-12)
    assert ran > CHUNK * 2
