"""The page of `nesyc docs`: all that is declared is there, links lead somewhere, and nothing of a spec is markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.docs import docs_page, sections_of
from nesyc.docs.diagrams import lineage_drawing, rules_drawing, schema_drawing
from nesyc.docs.entries import comment_above
from nesyc.pipeline import check_spec

KINSHIP = Path(__file__).resolve().parents[1] / "samples" / "kinship"
VOID = {"meta", "input", "link", "br"}
DRAWN = {"rect", "path", "text"}


class Page(HTMLParser):
    """Checks that elements nest, and keeps ids, links, elements and what each kind of text holds."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.hrefs: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.visible: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        assert len(values) == len(attrs)
        self.tags.append((tag, values))
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if values.get("href"):
            self.hrefs.append(str(values["href"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)
        if "style" not in self.open and "script" not in self.open:
            self.visible.append(data)

    @property
    def text(self) -> str:
        return "".join(self.visible)


def page_of(spec: Path) -> str:
    checked = check_spec(spec)
    assert checked.spec is not None, checked.diagnostics
    return docs_page(checked)


@pytest.fixture(scope="module")
def kinship() -> str:
    return page_of(KINSHIP / "kinship.nesy")


def test_every_name_has_an_entry(kinship: str) -> None:
    ids = Page(kinship).ids
    assert len(ids) == len(set(ids))
    wanted = (
        "param-budget enum-Kin teacher-big student-small embedder-mini dataset-clutrr task-kinship"
        " prompt-kinship.prompt metric-kinship.accuracy metric-kinship.by_hops kb-family relation-family.parent"
        " derived-family.kin rule-family.kin_chain forbid-family.own_kin facts-family.compose say-family.kin"
        " retrieve-hints pipeline-distil stage-distil.lessons answer-kinship evaluate-main test-answer-parser"
    )
    assert set(wanted.split()) <= set(ids)
    learned = re.findall(r"rule (\w+)", (KINSHIP / "rules" / "learned.nesy").read_text())
    assert learned and {f"rule-family.{name}" for name in learned} <= set(ids)


def test_links_lead_to_entries(kinship: str) -> None:
    page = Page(kinship)
    assert page.hrefs and {href[1:] for href in page.hrefs} <= set(page.ids)
    assert all(href.startswith("#") for href in page.hrefs)
    code = kinship[kinship.index('id="rule-family.kin_chain"') :]
    assert '<a class="" href="#relation-family.compose">compose</a>' in code[: code.index("</pre>")]


def test_nothing_is_loaded_and_only_our_script_may_run(kinship: str) -> None:
    page = Page(kinship)
    for tag, values in page.tags:
        assert not {"src", "srcset", "data", "action", "style", "background"} & set(values), (tag, values)
        assert not any(name.startswith("on") for name in values)
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form", "image", "use"}
    [policy] = [v["content"] for t, v in page.tags if v.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none'")
    for tag in ("style", "script"):
        [text] = page.texts[tag]
        assert "url(" not in text and "@import" not in text and "http" not in text
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert kinship.startswith("<!doctype html>")


def test_the_same_bytes(kinship: str) -> None:
    assert page_of(KINSHIP / "kinship.nesy") == kinship
    script = (
        "from pathlib import Path; import sys; from nesyc.pipeline import check_spec;"
        "from nesyc.docs import docs_page; sys.stdout.write(docs_page(check_spec(Path(sys.argv[1]))))"
    )
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(KINSHIP / "kinship.nesy")],
            capture_output=True, check=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert done.stdout.decode() == kinship


HOSTILE = """nesy 1
# </script><img src=x onerror=alert(1)> & "quotes" {{ 7 * 7 }}
enum Kin { a b }
dataset d { row (q: text, label: Kin) split train = jsonl("train.jsonl") }
task t on d {
  input  (q: text)
  output (answer: Kin)
  prompt = "</pre><svg onload=alert(1)>{q} {{{{ 1 }}}} {% raw %}"
  parse  answer = last_match("a") as Kin
  metric accuracy = mean(answer == label)
}
kb k {
  relation r(x: text) { key (x) }
  facts r { ("</title><script>alert(1)</script>") }
  say r = "<b onclick=alert(1)>{x}</b>"
}
test "</script><img src=x onerror=alert(1)>" for k { expect r(_); }
test "</script><img src=x onerror=alert(1)>?" for k { expect r(_); }
"""


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    (tmp_path / "h.nesy").write_text(HOSTILE)
    text = page_of(tmp_path / "h.nesy")
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert not {"img", "b"} & tags
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 1
    assert '</script><img src=x onerror=alert(1)> & "quotes" {{ 7 * 7 }}' in page.text
    assert "</pre><svg onload=alert(1)>{q}" in page.text and "{% raw %}" in page.text
    assert "</title><script>alert(1)</script>" in page.text
    assert len(page.ids) == len(set(page.ids)) and {h[1:] for h in page.hrefs} <= set(page.ids)


def test_descriptions_are_the_comments_directly_above(tmp_path: Path) -> None:
    text = "nesy 1\n# far away\n\n# One line,\n#   and another.\nenum Kin { a }\n# of a rule\n"
    assert comment_above(text, text.index("enum")) == "One line,\nand another."
    assert comment_above("enum K { a }", 0) == "" and comment_above("x # no\nenum", 7) == ""
    (tmp_path / "s.nesy").write_text(
        "nesy 1\nkb k {\n  relation r(x: text) { key (x) }\n  derived d(x: text)\n"
        "  # who is who\n  rule one: d(x) :- r(x);\n}\n"
    )
    [section] = sections_of(check_spec(tmp_path / "s.nesy"))
    rule = next(part for part in section.entries[0].parts if part.kind == "rule")
    assert rule.description == "who is who"
    assert rule.code is not None and (rule.code.line, rule.code.end_line) == (6, 6)
    assert "".join(run.text for run in rule.code.runs) == "rule one: d(x) :- r(x);"
    assert [run.style for run in rule.code.runs if run.text == "rule"] == ["k"]


def test_an_excerpt_is_the_source(kinship: str) -> None:
    source = (KINSHIP / "kinship.nesy").read_text()
    start = source.index("retrieve hints for")
    piece = source[start : source.index("\n}\n", start) + 2]
    assert piece in Page(kinship).text


def test_long_pieces_are_cut(tmp_path: Path) -> None:
    rows = "\n".join(f'    ("v{number}")' for number in range(500))
    (tmp_path / "s.nesy").write_text(
        f"nesy 1\nkb k {{\n  relation r(x: text) {{ key (x) }}\n  facts r {{\n{rows}\n  }}\n}}\n"
    )
    text = page_of(tmp_path / "s.nesy")
    assert "v58" in text and "v59" not in text and "… 442 more lines" in text


def test_the_drawings(kinship: str) -> None:
    spec = check_spec(KINSHIP / "kinship.nesy").spec
    assert spec is not None
    [kb] = spec.kbs
    schema = schema_drawing(kb)
    assert [s.node.title for s in schema.shapes] == [r.name for r in kb.relations]
    assert {(e.source, e.target) for _, e in schema.paths} == {("parent", "person")}
    rules = rules_drawing(kb)
    edges = {(e.source, e.target): e for _, e in rules.paths}
    assert edges["sibling", "only_child"].style == "negated"
    assert edges["sibling", "sibling_count"].style == "counted"
    assert edges["kin", "kin"].style == "plain" and "kin_chain" in edges["kin", "kin"].label
    column = {s.node.id: s.node.layer or 0 for s in rules.shapes}
    assert column["parent"] == 0 < column["sibling"] < column["only_child"]
    lineage = {(e.source, e.target) for _, e in lineage_drawing(spec).paths}
    assert {
        ("clutrr.train", "distil.cot"), ("big", "distil.cot"), ("small", "distil.base"),
        ("distil.cot", "distil.base"), ("distil.base", "distil.errors"), ("distil.errors", "distil.lessons"),
        ("distil.lessons", "kb family"), ("kb family", "retrieve hints"), ("retrieve hints", "distil.final"),
        ("distil.final", "answer kinship"), ("clutrr.test", "evaluate main"), ("distil.final", "evaluate main"),
    } <= lineage  # fmt: skip
    shapes = {s.node.id: s for s in lineage_drawing(spec).shapes}
    assert ("distil.base", "distil.final") not in lineage and "clutrr.dev" not in shapes


def test_all_specs_that_ship_have_a_page(tmp_path: Path) -> None:
    for spec in sorted((Path(__file__).resolve().parents[2] / "specs").glob("*.nesy")):
        checked = check_spec(spec)
        if checked.spec is not None:
            page = Page(docs_page(checked))
            assert {href[1:] for href in page.hrefs} <= set(page.ids), spec.name


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(KINSHIP, tmp_path / "k")
    monkeypatch.chdir(tmp_path / "k")
    result = CliRunner().invoke(app, ["docs", "kinship.nesy", "--json"])
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    page = Page(Path(value["file"]).read_text())
    assert {entry["anchor"] for entry in value["entries"]} <= set(page.ids)
    chain = next(entry for entry in value["entries"] if entry["name"] == "kin_chain")
    assert (chain["kind"], chain["within"], chain["span"]["file"]) == ("rule", "kb-family", "kinship.nesy")
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    result = CliRunner().invoke(app, ["docs", "kinship.nesy", "--out", "out/k.html", "--open"])
    assert result.stdout == "out/k.html\n" and opened == [(tmp_path / "k/out/k.html").as_uri()]


def test_a_spec_with_errors_has_no_page(tmp_path: Path) -> None:
    (tmp_path / "s.nesy").write_text("nesy 1\nkb k { derived d(x: text)\n rule r: d(x) :- e(x); }\n")
    result = CliRunner().invoke(app, ["docs", str(tmp_path / "s.nesy"), "--out", str(tmp_path / "s.html")])
    assert type(result.exception).__name__ == "SpecErrors" and not (tmp_path / "s.html").exists()


def test_without_jinja_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("nesyc.docs")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = CliRunner().invoke(app, ["docs", str(KINSHIP / "kinship.nesy")])
    assert result.exception is not None and result.exception.help == "pip install nesyc[docs]"  # type: ignore[attr-defined]
