"""`nesyc query`, `why` and `whynot` as a user calls them: the contracts' JSON, and text no row can break out of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable

SPEC = """nesy 1
enum Kin { father mother grandfather }
kb family {
  semantics = top_proofs(k = 3)
  relation parent(child: text, parent: text, role: Kin) { key (child, parent) }
  relation compose(first: Kin, second: Kin, out: Kin) { key (first, second) }
  derived kin(a: text, b: text, rel: Kin) { unique (a, b) resolve highest_conf }
  facts parent { ("ann", "bob", .father) ("bob", "carl", .father) 0.95 ("eve", "bob", .mother) }
  facts compose from csv("compose.csv")
  rule kin_base:       kin(a, b, r) :- parent(a, b, r);
  rule kin_chain 0.92: kin(a, c, r) :- kin(a, b, r1), parent(b, c, r2), compose(r1, r2, r), a != c;
  say kin = "{b} is the {rel} of {a}."
}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("", encoding="utf-8")
    (tmp_path / "family.nesy").write_text(SPEC, encoding="utf-8")
    (tmp_path / "compose.csv").write_text("first,second,out\nfather,father,grandfather\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if code == 0 else result.output


def test_query_answers_as_the_contract_says(project: Path) -> None:
    assert run("query", 'kin("ann", x, r)') == {
        "v": 1, "kb": "family", "columns": ["x", "r"],
        "rows": [{"values": ["bob", "father"], "conf": 1.0}, {"values": ["carl", "grandfather"], "conf": 0.874}],
        "total": 2, "truncated": False,
    }  # fmt: skip
    cut = run("query", "parent(x, y, _)", "--limit", "1")
    assert (len(cut["rows"]), cut["total"], cut["truncated"]) == (1, 3, True)
    ground = run("query", 'kin("ann", "carl", "grandfather")')
    assert (ground["columns"], ground["rows"]) == ([], [{"values": [], "conf": 0.874}])
    assert run("query", 'kin("ann", "ann", _)')["rows"] == []
    joined = run("query", 'kin("ann", x, .father), kin(x, y, .father), not kin(y, _, _)')
    assert joined["rows"] == [{"values": ["bob", "carl"], "conf": 0.95}]


def test_why_and_whynot_answer_as_the_contract_says(project: Path) -> None:
    no = CliRunner().invoke(app, ["why", 'kin("ann", "carl", .mother)']).stdout
    assert no == 'kin("ann", "carl", "mother") does not hold: ask `nesyc whynot`\n', (
        "its sentence would say it does"
    )
    found = run("why", 'kin("ann", "carl", .grandfather)')
    assert found["fact"] == {
        "relation": "kin",
        "args": ["ann", "carl", "grandfather"],
        "text": "carl is the grandfather of ann.",
    }
    tree = found["proofs"][0]["tree"]
    assert (found["holds"], found["conf"], tree["rule"], tree["span"]["file"], tree["span"]["line"]) == (
        True, pytest.approx(0.874), "kin_chain", "family.nesy", 11,
    )  # fmt: skip
    assert tree["children"][1]["origin"] == {"by": "human", "source": "family.nesy:8"}
    assert tree["children"][2]["origin"] == {"by": "human", "source": "compose.csv:2"}
    attempts = run("whynot", 'kin("ann", "carl", .mother)')["attempts"]
    assert [(one["rule"], one["matched"], one["of"], one["literal"]) for one in attempts] == [
        ("kin_chain", 2, 4, "compose(r1, r2, r)"),
        ("kin_base", 0, 1, "parent(a, b, r)"),
    ]


def test_why_shows_a_person_ten_proofs_and_a_program_a_thousand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = " ".join(f'("{a}", "{b}")' for a in "abcdef" for b in "abcdef" if a < b)
    (tmp_path / "paths.nesy").write_text(
        f"""nesy 1
kb paths {{
  relation e(a: text, b: text)
  derived  p(a: text, b: text)
  facts e {{ {pairs} }}
  rule one:  p(a, b) :- e(a, b);
  rule more: p(a, c) :- p(a, b), e(b, c);
}}
""",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    fact = 'p("a", "f")'
    assert len(run("why", fact)["proofs"]) == 16  # a path for each set of letters between
    for options, shown in (((), 10), (("--limit", "12"), 12), (("--limit", "0"), 16)):
        text = CliRunner().invoke(app, ["why", fact, *options]).output
        assert text.count("\nproof ") == shown, options
        assert ("raise --limit" in text) == (shown < 16)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("query", "nobody(x)"), 1), (("query", "kin(x,"), 1), (("query", 'kin("ann", x)'), 1), (("query", "not kin(a, b, c)"), 1),
     (("why", 'kin("ann", _, .father)'), 1), (("why", "kin(x, y, z)"), 1), (("whynot", 'kin("a", "b", .cousin)'), 1)],
)  # fmt: skip
def test_a_mistake_ends_with_exit_code_1_and_no_traceback(
    project: Path, arguments: tuple[str, ...], code: int
) -> None:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == code or getattr(result.exception, "code", None) == code, result.output
    assert "Traceback" not in result.output


def test_text_for_people_holds_no_control_signs(project: Path) -> None:
    (project / "more.csv").write_text("child,parent,role\n\x1b[31mred,bob,father\n", encoding="utf-8")
    text = SPEC.replace("  facts compose", '  facts parent from csv("more.csv")\n  facts compose')
    (project / "family.nesy").write_text(text, encoding="utf-8")
    runner = CliRunner()
    for arguments in (
        ["query", "kin(x, y, _)"],
        ["why", 'kin("ann", "carl", .grandfather)'],
        ["whynot", 'kin("x", "y", .father)'],
    ):
        output = runner.invoke(app, arguments).output
        assert output and "\x1b" not in output
    assert printable("\x1b[31mred")[1:] in runner.invoke(app, ["query", "kin(x, y, _)"]).output


def test_a_changed_fact_shows_at_once(project: Path) -> None:
    run("query", "kin(x, y, _)")
    text = (project / "family.nesy").read_text(encoding="utf-8")
    (project / "family.nesy").write_text(text.replace('"carl", .father', '"dora", .mother'), encoding="utf-8")
    assert run("query", 'kin("bob", x, r)')["rows"] == [{"values": ["dora", "mother"], "conf": 0.95}]


def test_the_kb_command_shows_and_takes_back_changes(project: Path) -> None:
    run("query", "kin(x, y, _)")
    found = run("kb", "log")
    assert [(c["change"], c["who"], c["total"]) for c in found["changes"]] == [(1, "source", 4)]
    text = (project / "family.nesy").read_text(encoding="utf-8")
    (project / "family.nesy").write_text(
        text.replace('"carl", .father', '"d\x1bra", .mother'), encoding="utf-8"
    )
    assert run("query", 'kin("bob", x, r)')["total"] == 1
    past = run("kb", "at", "#1", 'kin("bob", x, r)')
    assert (past["rows"], past["change"]) == ([{"values": ["carl", "father"], "conf": 0.95}], 1)
    counts = run("kb", "at", "2020-01-01")
    assert counts["change"] == 0 and all(one["rows"] == 0 for one in counts["relations"])
    follows = "change 2 stays: it follows the source's facts, which are changed in their file"
    assert run("kb", "undo") == {"v": 1, "undone": [], "notes": [follows]}
    shown = CliRunner().invoke(app, ["kb", "log"]).output
    assert "\x1b" not in shown and "- parent(bob, carl, father)" in shown
    for when, said in (("then", "is no date"), ("#99", "there is no change 99")):
        refused = CliRunner().invoke(app, ["kb", "at", when])
        assert said in str(refused.exception)


def test_what_is_beyond_the_engines_limits_says_so(project: Path) -> None:
    many = ", ".join(f"parent(x{n}, x{n + 1}, _)" for n in range(70))
    either = ", ".join(f'x = "{n}"' for n in range(600))
    spec = project / "family.nesy"
    text = SPEC.replace("  semantics = top_proofs(k = 3)\n", "")
    spec.write_text(text)
    for asked in (many, f"parent(x, _, _), or ({either})"):
        with pytest.raises(UserError, match="the query is too large"):
            CliRunner().invoke(app, ["query", asked], catch_exceptions=False)
    spec = project / "family.nesy"
    spec.write_text(
        SPEC.replace("  say kin", f"  derived far(x: text)\n  rule far: far(x0) :- {many};\n  say kin")
    )
    with pytest.raises(UserError, match="rule `far` is too large"):
        CliRunner().invoke(app, ["query", "far(x)"], catch_exceptions=False)


def test_a_number_of_any_size_may_be_compared_with(project: Path) -> None:
    found = run("query", "parent(x, _, _), n = length(x), n < 99999999999999999999")
    assert {row["values"][0] for row in found["rows"]} == {"ann", "bob", "eve"}
    assert run("query", "parent(x, _, _), length(x) < -99999999999999999999")["rows"] == []
