"""Where rows come from: files, generators, the hub. Each source is a stream of records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.functions import failing_as_user, load_function
from nesyc_runtime.project import Project
from nesyc_runtime.records import Record, read_file


def read_records(
    source: config.FileSource | config.GenerateSource | config.HubSource, project: Project
) -> Iterator[Record]:
    """The records of a source in a fixed order: files by name, rows as they stand.

    Raises `UserError` with file and line where a record cannot be read.
    """
    match source:
        case config.FileSource():
            for file in project.files(source.path):
                yield from _from_file(source, file, project.shown(file))
        case config.GenerateSource():
            yield from _generated(source, project)
        case config.HubSource():
            yield from _from_hub(source)


def _from_file(source: config.FileSource, file: Path, shown: str) -> Iterator[Record]:
    for index, record in enumerate(read_file(file, shown, source.format, source.at)):
        extra: dict[str, Any] = {}
        if source.file_as:
            extra[source.file_as] = file.stem
        if source.index_as:
            extra[source.index_as] = index
        yield Record({**record.values, **extra}, record.place) if extra else record


def _generated(source: config.GenerateSource, project: Project) -> Iterator[Record]:
    function = load_function(source.target, project)
    help = "it is called as function(n=..., seed=..., further keyword arguments)"
    with failing_as_user(f"`{source.target}`", project, help):
        rows = function(n=source.n, seed=source.seed, **source.arguments)
        for index, value in enumerate(_iterable(rows, source.target)):
            if not isinstance(value, Mapping):
                raise UserError(f"`{source.target}`: row {index} is no mapping of field to value")
            yield Record(dict(value), f"{source.target}[{index}]")


def _iterable(value: Any, target: str) -> Iterable[Any]:
    if not isinstance(value, Iterable):
        raise UserError(f"`{target}` gave {type(value).__name__}, expected rows")
    return value


def _from_hub(source: config.HubSource) -> Iterator[Record]:
    """One configuration after another; `config_as` is the field that takes a row's configuration."""
    for configuration in source.configs or (source.config,):
        where = f"{source.name}[{configuration + ', ' if configuration else ''}{source.split}]"
        extra = {source.config_as: configuration} if source.config_as else {}
        for index, values in enumerate(_hub_rows(source, configuration, where)):
            yield Record({**values, **extra}, f"{where}[{index}]")


def _hub_rows(source: config.HubSource, configuration: str | None, where: str) -> Iterable[Mapping[str, Any]]:
    try:
        import datasets
    except ImportError:
        raise UserError(
            f"reading {where} needs the datasets library", "pip install 'nesyc[all]', or read local files"
        ) from None
    try:
        rows = datasets.load_dataset(source.name, configuration, split=source.split, revision=source.revision)
    except Exception as error:
        raise UserError(
            f"{where} cannot be loaded from the hub: {type(error).__name__}: {printable(str(error))}",
            "check the network and the name, or download the data and read it with jsonl(...)",
        ) from error
    return cast("Iterable[Mapping[str, Any]]", rows)
