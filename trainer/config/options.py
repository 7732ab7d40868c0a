"""The declared options as a list, for forms, tables and messages."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args, get_origin

from pydantic.fields import FieldInfo

from trainer.config.schema import Config, Group


@dataclass(frozen=True)
class Option:
    """One declared option as a form or a table needs it."""

    group: str
    name: str
    label: str
    help: str
    unit: str
    advanced: bool
    kind: type
    default: float | int | str | bool
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    above_low: bool
    below_high: bool

    @property
    def key(self) -> str:
        return f"{self.group}.{self.name}"


def _limit(field: FieldInfo, *names: str) -> float | None:
    found = [getattr(rule, name) for rule in field.metadata for name in names if hasattr(rule, name)]
    return found[0] if found else None


def groups() -> dict[str, type[Group]]:
    """The groups of options by name, in the order of their declaration."""
    found = {name: field.annotation for name, field in Config.model_fields.items()}
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, Group)}


@functools.cache
def options() -> tuple[Option, ...]:
    """Every option in the order of its declaration."""
    found = []
    for group, outer in groups().items():
        for name, field in outer.model_fields.items():
            extra = cast(dict[str, Any], field.json_schema_extra)
            choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
            kind = str if choices else cast(type, field.annotation)
            found.append(
                Option(
                    group, name, field.title or name, field.description or "", extra["unit"], extra["advanced"],
                    kind, field.default, choices, _limit(field, "ge", "gt"), _limit(field, "le", "lt"),
                    _limit(field, "gt") is not None, _limit(field, "lt") is not None,
                )
            )  # fmt: skip
    return tuple(found)


def group_title(group: str) -> str:
    """What a person reads above a group of options."""
    return group.capitalize()
