"""Results of tests as JUnit XML, as CI servers read it: one suite a spec, one case a test."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(result: dict[str, Any], spec: str) -> str:
    """The text of the file; `result` is the object of the `test` contract, `spec` the spec's name.

    An expectation that does not hold is a `failure` with what was expected and found, and where it stands.
    """
    counts = {"tests": str(len(result["tests"])), "failures": str(result["failed"]), "errors": "0"}
    time = _seconds(sum(test["seconds"] for test in result["tests"]))
    root = ElementTree.Element("testsuites", {"name": "nesyc", **counts, "time": time})
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": _valid(spec), **counts, "skipped": "0", "time": time}
    )
    for test in result["tests"]:
        _case(suite, spec, test)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _case(suite: ElementTree.Element, spec: str, test: dict[str, Any]) -> None:
    place = {"file": _valid(test["span"]["file"]), "line": str(test["span"]["line"])}
    named = {"classname": _valid(spec), "name": _valid(test["name"])}
    case = ElementTree.SubElement(suite, "testcase", {**named, **place, "time": _seconds(test["seconds"])})
    failed = [expect for expect in test["expects"] if not expect["ok"]]
    if not failed:
        return
    # one failure a case: some readers take only the first
    lines = [line for expect in failed for line in _lines(expect)]
    message = f"expected {expectation(failed[0])}, found {failed[0]['found']}"
    failure = ElementTree.SubElement(
        case, "failure", {"message": _valid(" ".join(message.split())), "type": "expect"}
    )
    failure.text = _valid("\n".join(lines))


def _lines(expect: dict[str, Any]) -> list[str]:
    span = expect["span"]
    near = [f"  near: {fact}" for fact in expect["near"]]
    return [
        f"{span['file']}:{span['line']}:{span['col']}: expected {expectation(expect)}",
        f"  found: {expect['found']}",
        *near,
    ]


def expectation(expect: dict[str, Any]) -> str:
    """What is expected, without the words around it."""
    return str(expect["text"]).removeprefix("expect").removesuffix(";").strip()


def _seconds(value: float) -> str:
    return f"{value:.4f}"


def _valid(text: str) -> str:
    """`text` without what XML 1.0 cannot hold, escaped or not."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
