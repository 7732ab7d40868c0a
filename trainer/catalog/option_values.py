"""The options that a run was configured with, by `group.name`: those of any version, quickly for thousands of runs."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

from trainer.config import config_file, yaml_text
from trainer.config.option_list import Value, options
from trainer.system import regular_file

Values = dict[str, Value]
PRESET = "preset"
_GROUP = re.compile(r"([a-z_0-9]+):$")
_OPTION = re.compile(r"( {2})?([a-z_0-9]+): ([A-Za-z0-9_.+-]+|'[A-Za-z0-9 _.-]*')$")


@functools.cache
def defaults() -> Mapping[str, Value]:
    """Of every option of this version."""
    return {option.key: option.default for option in options()} | {PRESET: ""}


def read(path: Path) -> Values:
    """Every option in a configuration file, known or not. Raises OSError, and ValueError when it is none."""
    with regular_file.open_binary(path) as file:
        data = file.read(yaml_text.MOST_BYTES + 1)
    quick = _as_written(data)
    return _flat(yaml_text.parse(data)) if quick is None else quick


def _flat(document: object) -> Values:
    """Raises ValueError when the document is none of options."""
    if not isinstance(document, dict):
        raise ValueError("it holds no options")
    found: Values = {}
    for group, inner in document.items():
        values = {f"{group}.{name}": value for name, value in inner.items()} if isinstance(inner, dict) else None
        found |= {group: inner} if values is None else values
    return {key: value for key, value in found.items() if isinstance(value, (bool, int, float, str))}


def _as_written(data: bytes) -> Values | None:
    """As the parser of YAML reads what `config_file.dump` writes, some fifty times as fast; None for anything else."""
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        return None
    found: Values = {}
    group = ""
    for line in lines:
        if not line or line.lstrip(" ").startswith("#"):
            continue
        if option := _OPTION.match(line):
            key = f"{group}.{option[2]}" if option[1] else option[2]
            value = _scalar(option[3])
            if value is None or key in found or bool(option[1]) != bool(group):
                return None
            found[key] = value
        elif (head := _GROUP.match(line)) and head[1] != group:
            group = head[1]
        else:
            return None
    return found


@functools.lru_cache(maxsize=10_000)
def _scalar(text: str) -> Value | None:
    value = yaml_text.parse(b"x: " + text.encode())
    inner = value["x"] if isinstance(value, dict) else None
    return inner if isinstance(inner, (bool, int, float, str)) else None


def unknown(values: Values) -> list[str]:
    """Which options this version does not have, those of earlier versions apart that change nothing."""
    return [key for key, value in values.items() if key not in defaults() and not _is_removed(key, value)]


def changed(values: Values) -> Values:
    """Those that are not at the default of this version."""
    own = {key: value for key, value in values.items() if not _is_removed(key, value)}
    return {key: value for key, value in own.items() if key not in defaults() or defaults()[key] != value}


def _is_removed(key: str, value: Value) -> bool:
    group, _, name = key.partition(".")
    return config_file.is_removed(group, name, value)
