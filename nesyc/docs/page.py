"""The page: one file, no script or style from elsewhere, nothing of the source taken for markup."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nesyc.diagnostics import span_json
from nesyc.docs.diagrams import Drawing, lineage_drawing, rules_drawing, schema_drawing
from nesyc.docs.entries import Entry, Section, sections_of
from nesyc.ir import nodes
from nesyc.workspace import Checked


def docs_page(checked: Checked) -> str:
    """The text of the HTML file of a spec without errors: the same bytes for the same sources."""
    spec = checked.spec
    assert spec is not None
    environment = Environment(
        loader=PackageLoader("nesyc.docs"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, script = (_asset(environment, name) for name in ("style.css", "search.js"))
    page = environment.get_template("page.html").render(
        spec=spec,
        sections=sections_of(checked),
        lineage=lineage_drawing(spec),
        kbs={kb.name: _kb_drawings(kb) for kb in spec.kbs},
        diagnostics=_diagnostics(checked),
        files=[file.path for file in checked.loaded.files],
        counts=_counts(spec),
        style=Markup(style),  # noqa: S704 - files of this package
        script=Markup(script),  # noqa: S704
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
    )
    return page.encode("utf-8", "replace").decode("utf-8")  # half surrogates of the source are no text


def docs_json(checked: Checked, sections: Sequence[Section]) -> dict[str, Any]:
    """`{"v", "spec", "entries": [{"kind", "name", "anchor", "span", "description", "within"}], "diagnostics"}`."""
    assert checked.spec is not None
    entries = [
        _entry_json(checked, part, within)
        for section in sections
        for entry in section.entries
        for part, within in [(entry, None), *((part, entry.anchor) for part in entry.parts)]
    ]
    return {
        "v": 1,
        "spec": checked.spec.name,
        "entries": entries,
        "diagnostics": dict(sorted(Counter(d.code for d in checked.diagnostics).items())),
    }


def _entry_json(checked: Checked, entry: Entry, within: str | None) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "anchor": entry.anchor,
        "span": span_json(entry.span, checked.loaded.sources),
        "description": entry.description,
        "within": within,
    }


def _asset(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _kb_drawings(kb: nodes.Kb) -> tuple[Drawing, ...]:
    return (schema_drawing(kb), *((rules_drawing(kb),) if kb.rules else ()))


def _diagnostics(checked: Checked) -> list[dict[str, Any]]:
    sources = checked.loaded.sources
    return [
        {"code": d.code, "message": d.message, "place": f"{d.span.file}:{sources.place(d.span).line}"}
        for d in checked.diagnostics
    ]


def _counts(spec: nodes.Spec) -> list[tuple[str, int]]:
    counts = [
        ("dataset", len(spec.datasets)),
        ("task", len(spec.tasks)),
        ("relation", sum(len(kb.relations) for kb in spec.kbs)),
        ("fact", sum(len(kb.facts) for kb in spec.kbs)),
        ("rule", sum(len(kb.rules) for kb in spec.kbs)),
        ("constraint", sum(len(kb.constraints) for kb in spec.kbs)),
        ("stage", sum(len(pipeline.stages) for pipeline in spec.pipelines)),
        ("test", len(spec.tests)),
    ]
    return [(name if count == 1 else f"{name}s", count) for name, count in counts if count]
