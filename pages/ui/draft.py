"""The configuration being edited: a file in configs/, so that it outlives the page, the tab and the server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from trainer import config_file, durable
from trainer.config import Config
from trainer.config_file import ConfigError
from trainer.options import Option, options
from trainer.workspace import Workspace

Value = float | int | str | bool
Values = dict[str, Value]
"""Values by `group.name`, of the right type but not checked against any rule."""
LARGEST_WHOLE = 2**53 - 1
"""Whole numbers beyond this are not exact in a browser."""


@dataclass(frozen=True)
class Source:
    """Where an edited configuration came from."""

    kind: Literal["preset", "saved"]
    name: str

    def path(self, workspace: Workspace) -> Path:
        folder = config_file.PRESETS if self.kind == "preset" else workspace.configs
        return folder / f"{self.name}.yaml"


@dataclass(frozen=True)
class Draft:
    """The values as edited, valid or not, and what they were before."""

    source: Source
    values: Values


class _Document(BaseModel):
    """The draft's file."""

    kind: Literal["preset", "saved"]
    name: str
    values: dict[str, Any]


def _file(workspace: Workspace) -> Path:
    return workspace.configs / ".draft.json"


def flat(config: Config) -> Values:
    """A configuration as values by `group.name`."""
    return {f"{group}.{name}": value for group, inner in config.model_dump().items() for name, value in inner.items()}


def nested(values: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """Values as the document that `config_file.build` takes."""
    document: dict[str, dict[str, Value]] = {}
    for key, value in values.items():
        group, name = key.split(".", 1)
        document.setdefault(group, {})[name] = value
    return document


def _fitting(option: Option, value: object) -> Value:
    """`value` when a field of the form can show it, else the option's default."""
    if option.kind is bool:
        return value if isinstance(value, bool) else option.default
    if option.kind is str:
        return value if isinstance(value, str) and value in option.choices else option.default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return option.default
    if option.kind is int:
        return value if isinstance(value, int) and abs(value) <= LARGEST_WHOLE else option.default
    return float(value)


def load(workspace: Workspace, source: Source) -> Draft:
    """A draft equal to a file. Raises ConfigError, OSError."""
    return Draft(source, flat(config_file.load(source.path(workspace))))


def read(workspace: Workspace) -> Draft:
    """The draft as it was left; the recommended preset when there is none."""
    try:
        document = _Document.model_validate(durable.read_json(_file(workspace)))
    except ValidationError:
        return load(workspace, Source("preset", config_file.presets()[0]))
    values = {option.key: _fitting(option, document.values.get(option.key)) for option in options()}
    return Draft(Source(document.kind, document.name), values)


def write(workspace: Workspace, draft: Draft) -> None:
    """Keep the draft. Raises OSError."""
    workspace.configs.mkdir(parents=True, exist_ok=True)
    document = _Document(kind=draft.source.kind, name=draft.source.name, values=draft.values)
    durable.replace_json(_file(workspace), document.model_dump())


def changed(workspace: Workspace, draft: Draft) -> list[str] | None:
    """Keys of the options that differ from the draft's source; None when that file cannot be read any more."""
    try:
        before = load(workspace, draft.source).values
    except (ConfigError, OSError):
        return None
    return [key for key, value in draft.values.items() if value != before[key]]


def free_name(workspace: Workspace, source: Source) -> str:
    """The name to offer for saving: that of the user's own file, or one that no file has yet."""
    if source.kind == "saved":
        return source.name
    taken = set(config_file.saved(workspace))
    candidates = (f"my-{source.name}{suffix}" for suffix in ["", *(f"-{n}" for n in range(2, len(taken) + 3))])
    return next(name for name in candidates if name not in taken)
