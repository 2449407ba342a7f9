"""A model card: what it says is what the lineage says, and no name of a spec becomes markup."""

from __future__ import annotations

from typing import Any

import yaml

from nesyc_runtime.report.card import model_card


def lineage(**changes: Any) -> dict[str, Any]:
    score = {"evaluate": "main", "dataset": "d", "split": "test", "metric": "accuracy", "group": None}
    return {
        "model": "p.final",
        "spec": "s",
        "form": "merged",
        "run": "abc123",
        "training": None,
        "student": {
            "name": "small",
            "base": "org/model",
            "base_kind": "hf",
            "adapter": "lora",
            "max_tokens": 64,
        },
        "data": ["d.train"],
        "teachers": [{"name": "big", "kind": "openai_compatible", "model": "gpt|x"}],
        "stages": [{"id": "p.final", "kind": "finetune"}],
        "scores": [{**score, "value": 0.5, "low": 0.25, "high": 0.75, "n": 40}],
        "check": {"asked": 8, "equal": 7},
        **changes,
    }


def front_matter(card: str) -> Any:
    return yaml.safe_load(card.split("---")[1])


def test_the_card_says_what_the_lineage_says() -> None:
    card = model_card(lineage())
    assert front_matter(card) == {
        "library_name": "transformers",
        "tags": ["nesyc", "distillation"],
        "base_model": "org/model",
    }
    assert "| main | d.test | accuracy | 0.500 | 0.250 to 0.750 | 40 |" in card
    assert "asked 8 prompts greedily: 7 answers" in card
    assert front_matter(model_card(lineage(form="adapter")))["library_name"] == "peft"


def test_nothing_measured_is_said_so() -> None:
    card = model_card(lineage(scores=[], check={"asked": 0, "equal": 0}))
    assert "was not evaluated" in card and "no item was asked" in card


def test_names_become_no_markup() -> None:
    bad = "x|y\n# <img src=x> [a](b) `c` \x1b[31m"
    card = model_card(lineage(data=[bad], model=bad))
    assert "\x1b" not in card and "\n# <img" not in card
    assert r"x\|y # \<img src=x\> \[a\](b) \`c\`" in card
    assert r"gpt\|x" in card
