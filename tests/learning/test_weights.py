"""Weights fitted through proofs: planted ones come back, gradients are those of the engine, the source stays a person's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.cli.fit import IrCompiler
from nesyc.emit.sql import emit_program
from nesyc.ir.encode import encode
from nesyc.pipeline import check_spec
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.proofs.graph import Graph
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.copies import copied
from nesyc_runtime.kb.storage.program import Program
from nesyc_runtime.kb.storage.store import Store, open_store
from nesyc_runtime.learning.proof_terms import proof_terms
from nesyc_runtime.learning.weights import Label, fit_weights, gradient, loss

PLANTED = {"close": 0.9, "far": 0.6, "friend": 0.35}
Opened = Callable[..., tuple[Store, IrCompiler]]


def spec(semantics: str, weights: dict[str, float]) -> str:
    random = Random(3)
    names = [f"n{i}" for i in range(14)]
    edges = sorted({(random.choice(names), random.choice(names)) for _ in range(26)})
    friends = sorted({(random.choice(names), random.choice(names)) for _ in range(18)})
    return f"""nesy 1
kb world {{
  semantics = {semantics}
  relation e(a: text, b: text)
  relation f(a: text, b: text)
  derived near(a: text, b: text)
  facts e {{ {" ".join(f'("{a}", "{b}")' for a, b in edges)} }}
  facts f {{ {" ".join(f'("{a}", "{b}") 0.9' for a, b in friends)} }}
  rule close {weights["close"]}:  near(x, y) :- e(x, y);
  rule far {weights["far"]}:    near(x, z) :- near(x, y), e(y, z), x != z;
  rule friend {weights["friend"]}: near(x, y) :- f(x, y);
}}
"""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    stores: list[Store] = []

    def open_one(semantics: str, weights: dict[str, float]) -> tuple[Store, IrCompiler]:
        path = tmp_path / "world.nesy"
        checked = check_spec(path, unsaved={path: spec(semantics, weights)})
        assert checked.spec is not None
        (kb,) = checked.spec.kbs
        store = open_store(None, config.Kb.model_validate(encode(kb)), emit_program(kb).to_json())
        stores.append(store)
        sync_source(store, {})
        evaluate(store)
        return store, IrCompiler(kb)

    yield open_one
    for store in stores:
        store.close()


def labelled(store: Store) -> list[Label]:
    """Every derived fact with the confidence the store gives it, and pairs that do not hold."""
    rows = store.execute("SELECT a, b, conf FROM near").fetchall()
    return [Label("near", (a, b), conf) for a, b, conf in rows]


@pytest.mark.parametrize("semantics", ["max_product", "top_proofs(k = 3)"])
def test_planted_weights_are_found_again(opened: Opened, semantics: str) -> None:
    truth, _ = opened(semantics, PLANTED)
    start, compiler = opened(semantics, {"close": 0.5, "far": 0.5, "friend": 0.5})
    before = list(start.connection.iterdump())
    fitted = fit_weights(start, compiler, labelled(truth), ["close", "far", "friend"])
    assert list(start.connection.iterdump()) == before
    assert fitted.after == pytest.approx(PLANTED, abs=0.02)
    assert fitted.before == {"close": 0.5, "far": 0.5, "friend": 0.5}
    assert fitted.loss_after < fitted.loss_before


def test_planted_weights_are_found_from_yes_and_no(opened: Opened) -> None:
    """Facts drawn with the planted probability, each twenty times."""
    truth, _ = opened("max_product", PLANTED)
    random = Random(0)
    labels = [
        Label(one.relation, one.args, float(random.random() < one.value))
        for one in labelled(truth)
        for _ in range(20)
    ]
    start, compiler = opened("max_product", {"close": 0.5, "far": 0.5, "friend": 0.5})
    assert fit_weights(start, compiler, labels, list(PLANTED)).after == pytest.approx(PLANTED, abs=0.08)


@pytest.mark.parametrize("semantics", ["max_product", "top_proofs(k = 3)"])
def test_the_gradient_is_that_of_the_engine(opened: Opened, semantics: str) -> None:
    """Against finite differences of the loss over what the engine derives at the shifted weights."""
    weights = {"close": 0.8, "far": 0.55, "friend": 0.4}
    store, compiler = opened(semantics, weights)
    random = Random(1)
    labels = [Label(one.relation, one.args, random.random()) for one in labelled(store)]

    def terms_at(shifted: dict[str, float]) -> Any:
        kb, program = compiler.reweighted(shifted)
        with copied(store, config.Kb.model_validate(kb), Program.model_validate(program)) as copy:
            evaluate(copy)
            graph = Graph(copy)
            facts = [graph.find(label.relation, label.args) for label in labels]
            found = proof_terms(copy, facts, frozenset(shifted))
            conf = {label.args: graph.conf(fact) for label, fact in zip(labels, facts, strict=True) if fact}
        return found, conf

    terms, confidences = terms_at(weights)
    assert loss(terms, labels, weights) == pytest.approx(cross_entropy(labels, confidences), abs=1e-9)
    exact = gradient(terms, labels, weights)
    step = 1e-6
    for name in weights:
        up, down = ({**weights, name: weights[name] + sign * step} for sign in (1, -1))
        values = [cross_entropy(labels, terms_at(shifted)[1]) for shifted in (up, down)]
        assert exact[name] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-7)


def cross_entropy(labels: list[Label], confidences: dict[Any, float]) -> float:
    import math

    total = 0.0
    for label in labels:
        p = min(max(confidences[label.args], 1e-6), 1 - 1e-6)
        total -= label.value * math.log(p) + (1 - label.value) * math.log(1 - p)
    return total / len(labels)


def test_a_rule_without_a_say_keeps_its_weight(opened: Opened) -> None:
    store, compiler = opened("max_product", {"close": 1.0, "far": 1.0, "friend": 0.5})
    (pair,) = store.execute(
        "SELECT a, b FROM e WHERE NOT EXISTS (SELECT 1 FROM f WHERE f.a = e.a AND f.b = e.b) LIMIT 1"
    )
    after = fit_weights(store, compiler, [Label("near", pair, 0.7)], ["close", "friend"]).after
    assert after["close"] == pytest.approx(0.7, abs=0.02) and after["friend"] == 0.5


def test_what_cannot_be_fitted_says_why(opened: Opened) -> None:
    store, compiler = opened("boolean", PLANTED)
    label = labelled_pair(store)
    with pytest.raises(UserError, match="under `boolean`"):
        fit_weights(store, compiler, [label], ["close"])
    store, compiler = opened("max_product", PLANTED)
    for labels, rules, said in (
        ([], ["close"], "no labelled facts"),
        ([label], [], "no rule is to be fitted"),
        ([label], ["clse"], "no active rule `clse`"),
        ([Label("near", ("nobody", "n1"), 1.0)], ["close"], "no labelled fact has a proof"),
    ):
        with pytest.raises(UserError, match=said):
            fit_weights(store, compiler, labels, rules)


def labelled_pair(store: Store) -> Label:
    a, b = store.execute("SELECT a, b FROM near LIMIT 1").fetchone()
    return Label("near", (a, b), 1.0)


SOURCE = """nesy 1

kb shop {   # weights are fitted, everything else stays
  semantics = max_product
  relation likes(who: text, what: text)
  relation like_it(what: text, other: text)
  derived  buys(who: text, what: text)
  facts likes { ("ann", "tea") ("bob", "tea") ("cid", "jam") ("dan", "jam") }
  facts like_it { ("tea", "cake") ("jam", "bread") }
  rule direct 0.5: buys(x, y) :- likes(x, y);
  rule certain: buys(x, "bag") :- likes(x, _);
  include "more.nesy"
}
"""
MORE = """nesy 1
fragment of shop

@status(accepted, by = "mk", on = "2026-11-20")
rule also 0.5: buys(x, z) :- likes(x, y), like_it(y, z);
"""
ROWS = [("ann", "tea", 1), ("bob", "tea", 1), ("cid", "jam", 1), ("dan", "jam", 0),
        ("ann", "cake", 1), ("bob", "cake", 0), ("cid", "bread", 0), ("dan", "bread", 1)]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("", encoding="utf-8")
    (tmp_path / "shop.nesy").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "more.nesy").write_text(MORE, encoding="utf-8")
    lines = [json.dumps({"fact": f'buys("{who}", "{what}")', "label": label}) for who, what, label in ROWS]
    (tmp_path / "seen.jsonl").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["fit", "weights", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_change_is_a_diff_that_a_person_applies(project: Path) -> None:
    found = json.loads(run("seen.jsonl", "--json").stdout)
    rules = {one["rule"]: one for one in found["rules"]}
    assert rules.keys() == {"direct", "also"}  # `certain` has no confidence to fit
    assert rules["direct"]["after"] == pytest.approx(0.75, abs=0.01)
    assert rules["also"]["after"] == pytest.approx(0.5, abs=0.01)
    assert found["labels"] == {"total": 8, "positive": 5, "covered": 8} and found["written"] == []
    diff = run("seen.jsonl").stdout
    assert diff == found["diff"]
    assert "-  rule direct 0.5: buys" in diff and "+  rule direct 0.75: buys" in diff and "also" not in diff
    assert (project / "shop.nesy").read_text() == SOURCE
    (project / "change.diff").write_text(diff)
    subprocess.run(["git", "apply", "change.diff"], check=True, cwd=project)
    assert (project / "shop.nesy").read_text() == SOURCE.replace("direct 0.5", "direct 0.75")


def test_written_only_where_asked_and_never_over_a_person(project: Path) -> None:
    more = [json.dumps({"fact": 'buys("ann", "cake")', "label": 1})] * 8
    with (project / "seen.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n" + "\n".join(more))
    told = json.loads(run("seen.jsonl", "--write", "--json").stdout)
    assert told["written"] == ["shop.nesy"]
    assert {one["rule"]: one["accepted"] for one in told["rules"]} == {"direct": False, "also": True}
    assert "more.nesy" in told["diff"] and (project / "more.nesy").read_text() == MORE
    told = json.loads(run("seen.jsonl", "--write", "--rule", "also", "--json").stdout)
    assert told["written"] == ["more.nesy"]
    weight = next(one["after"] for one in told["rules"] if one["rule"] == "also")
    assert (project / "more.nesy").read_text() == MORE.replace("also 0.5", f"also {weight:g}")


def test_a_rule_named_without_a_confidence_gets_one(project: Path) -> None:
    (project / "seen.csv").write_text(
        'fact,label\n"buys(""ann"", ""bag"")",0.25\n"buys(""bob"", ""bag"")",0.75\n', encoding="utf-8"
    )
    diff = run("seen.csv", "--rule", "certain").stdout
    assert "+  rule certain 0.5: buys" in diff


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"fact": "buys(1)", "label": 1}', "seen.jsonl:1: this is no fact of `shop`"),
        ('{"fact": "buys(_, _)", "label": 1}', "this is no fact"),
        ('{"label": 1}', "there is no `fact`"),
        ('{"fact": "buys(1)", "lab": 0}', "there is no `label`"),
        ('{"fact": 3, "label": 0}', "the fact is no text"),
        ('{"fact": "buys(\\"ann\\", \\"tea\\")", "label": 2}', "no number from 0 to 1"),
        ('{"fact": "buys(\\"ann\\", \\"tea\\")", "label": "x"}', "no number from 0 to 1"),
    ],
)
def test_bad_labels_are_named_by_line(project: Path, line: str, said: str) -> None:
    (project / "seen.jsonl").write_text(line, encoding="utf-8")
    error = run("seen.jsonl", code=1).exception
    assert said in str(getattr(error, "message", error))
