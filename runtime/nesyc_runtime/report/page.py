"""`nesyc report`: one run as one HTML page that needs no network; nothing a model wrote is taken for markup."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nesyc_runtime.files import printable
from nesyc_runtime.report.charts import differences_chart, losses_chart, scores_chart
from nesyc_runtime.report.found import AskedItem, FoundRun

MOST_LETTERS = 20_000  # of one prompt or response: more is no reading matter


def report_page(run: FoundRun, *, items: int) -> str:
    """The text of the HTML file, the same bytes for the same run; `items` at most are shown of each evaluation."""
    environment = Environment(
        loader=PackageLoader("nesyc_runtime.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": _number, "plain": _plain}
    style = environment.loader.get_source(environment, "style.css")[0]  # type: ignore[union-attr]  # set above
    page = environment.get_template("page.html").render(
        run=run.results["run"],
        results=run.results,
        scores=[
            (name, table, _image(scores_chart(table)))
            for name, table in _by(_overall(run.results["scores"]), _score_heading)
        ],
        groups=[s for s in run.results["scores"] if s["group"] is not None and s["seed"] is None],
        compare=[
            (name, table, _image(differences_chart(table)))
            for name, table in _by(run.results["compare"], _compare_heading)
        ],
        training=run.training,
        losses=_image(losses_chart(run.training)) if run.training else None,
        decisions=run.decisions,
        evaluations=[(name, _shown(asked, items), asked) for name, asked in _by(run.items, _item_heading)],
        style=Markup(style),  # noqa: S704 - a file of this package
        policy=f"default-src 'none'; style-src {_hash(style)}; img-src data:; base-uri 'none'; form-action 'none'",
    )
    return page.encode("utf-8", "replace").decode("utf-8")  # half surrogates of an answer are no text


def report_json(run: FoundRun) -> dict[str, Any]:
    """What the page tells, as one JSON object; the items are in runs/ID/items/."""
    return {
        "v": 1,
        "run": run.results["run"],
        "results": run.results,
        "decisions": list(run.decisions),
        "training": list(run.training),
    }


def _overall(scores: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [score for score in scores if score["group"] is None and score["seed"] is None]


def _score_heading(score: Mapping[str, Any]) -> str:
    return f"{score['evaluate']}: {score['metric']} on {score['dataset']}.{score['split']}"


def _compare_heading(pair: Mapping[str, Any]) -> str:
    return f"{pair.get('evaluate', '')}: {pair['metric']}"


def _item_heading(item: AskedItem) -> str:
    return f"{item.evaluate}: {item.split}"


def _by(values: Iterable[Any], heading: Any) -> list[tuple[str, list[Any]]]:
    """The values under their headings, headings in the order of their first value."""
    headed = [(heading(value), value) for value in values]
    order = {name: place for place, name in enumerate(dict.fromkeys(name for name, _ in headed))}
    headed.sort(key=lambda pair: order[pair[0]])
    return [
        (name, [value for _, value in group]) for name, group in groupby(headed, key=lambda pair: pair[0])
    ]


def _shown(asked: Sequence[AskedItem], most: int) -> list[AskedItem]:
    """The items that tell students apart first, each group in the order asked."""
    return sorted(asked, key=lambda item: not item.disputed)[: most or None]


def _image(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _plain(text: str) -> str:
    """A model's or a person's text without characters that steer or turn it, line by line."""
    return "\n".join(printable(line, MOST_LETTERS) for line in text[:MOST_LETTERS].splitlines())
