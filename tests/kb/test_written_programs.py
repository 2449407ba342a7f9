"""Small programs as people write them, where engines have gone astray: both give what the language says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from oracle import evaluate as oracle
from running import derived, open_kb

from nesyc.pipeline import check_spec
from nesyc_runtime.kb.proofs.why import violations
from nesyc_runtime.kb.rules import elsewhere

PROGRAMS = {
    "count of what one branch has by its id": """
 relation f(x: text)  derived d(n: int)
 facts f { ("a") ("b") }
 rule r: d(n) :- n = count(x: or (f(x), x = "a"));""",
    "count over a column with full text": """
 relation f(x: text)  relation g(x: text) { fulltext (x) }  derived d(n: int)
 facts f { ("a") ("b") }  facts g { ("a") }
 rule r: d(n) :- n = count(x: or (f(x), g(x)));""",
    "sum over bindings that branches hold otherwise": """
 relation f(x: text)  relation w(x: text, v: number)  derived d(n: number)
 facts f { ("a") ("b") }  facts w { ("a", 2.0) ("b", 3.0) }
 rule r: d(n) :- n = sum(v: w(x, v), or (f(x), x = "a"));""",
    "ties by the declaration of an enum": """
 relation f(x: text, k: K)  derived d(x: text, k: K) { unique (x) resolve highest_conf }  derived u(k: K)
 facts f { ("a", .red) ("a", .blue) ("b", .blue) }
 rule r: d(x, k) :- f(x, k);
 rule s: u(k) :- d(_, k);""",
}


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_both_engines_give_what_the_language_says(
    name: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "SMALL", 0)
    spec = tmp_path / "t.nesy"
    spec.write_text(f"nesy 1\nenum K {{ red blue }}\nkb t {{{PROGRAMS[name]}\n}}\n", encoding="utf-8")
    checked = check_spec(spec)
    assert checked.spec is not None, [one.message for one in checked.diagnostics]
    kb = replace(checked.spec.kbs[0], engine=engine)
    world = oracle(kb)
    wanted = {
        (relation, row): world.conf[relation, row] for relation, rows in world.seen.items() for row in rows
    }
    with open_kb(kb, tmp_path / "t.db") as store:
        assert derived(store, kb) == wanted


def test_facts_that_stand_on_one_are_as_sure_together_as_it_is(tmp_path: Path) -> None:
    spec = tmp_path / "t.nesy"
    spec.write_text(
        """nesy 1
kb t {
  semantics = top_proofs(k = 3)
  relation f(x: text)  derived a(x: text)  derived b(x: text)
  facts f { ("c") 0.5 }
  rule r: a(x) :- f(x);
  rule s: b(x) :- f(x);
  forbid both at 0.4: a(x), b(x);
}
"""
    )
    checked = check_spec(spec)
    assert checked.spec is not None
    with open_kb(checked.spec.kbs[0]) as store:
        assert [(one["name"], one["conf"]) for one in violations(store)] == [("both", 0.5)]
