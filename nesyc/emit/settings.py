"""config.yaml: every declaration with every setting resolved; secrets stay references."""

from __future__ import annotations

from typing import Any

import yaml

from nesyc.ir import nodes
from nesyc.ir.encode import encode

SECTIONS = (
    "params",
    "enums",
    "teachers",
    "students",
    "embedders",
    "datasets",
    "tasks",
    "retrieves",
    "answers",
)


class _Dumper(yaml.SafeDumper):
    """Lists of scalars on one line, long texts as blocks: what a person would write."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    flow = all(not isinstance(item, (dict, list)) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flow)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def emit_settings(spec: nodes.Spec) -> str:
    """The text of config.yaml."""
    values = {name: encode(getattr(spec, name)) for name in SECTIONS}
    body: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return f"# Resolved from {spec.path} by nesyc; edit the spec, not this file.\n{body}"
