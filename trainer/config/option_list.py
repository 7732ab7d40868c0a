"""The declared options as a list, their values as text and YAML, and differences between configurations."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from trainer.config.schema import Config, Group

WIDTH = 110
Value = float | int | str | bool
Values = dict[str, Value]
"""Values by `group.name`."""


@dataclass(frozen=True)
class Option:
    """One declared option for a form or a table."""

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
    limits = (getattr(rule, name) for rule in field.metadata for name in names if hasattr(rule, name))
    return next(limits, None)


def groups() -> dict[str, type[Group]]:
    """The groups of options by name, in the order of their declaration."""
    kinds = {name: field.annotation for name, field in Config.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Group)}


@functools.cache
def options() -> tuple[Option, ...]:
    """Every option in the order of its declaration."""
    declared = []
    for group, outer in groups().items():
        for name, field in outer.model_fields.items():
            extra = cast(dict[str, Any], field.json_schema_extra)
            choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
            kind = str if choices else cast(type, field.annotation)
            declared.append(
                Option(
                    group,
                    name,
                    field.title or name,
                    field.description or "",
                    extra["unit"],
                    extra["advanced"],
                    kind,
                    field.default,
                    choices,
                    _limit(field, "ge", "gt"),
                    _limit(field, "le", "lt"),
                    _limit(field, "gt") is not None,
                    _limit(field, "lt") is not None,
                )
            )
    return tuple(declared)


def group_title(group: str) -> str:
    """Heading of a group of options."""
    return group.capitalize()


def limits(option: Option) -> str:
    """The valid values of an option with their unit; for a text option see its help."""
    if option.choices:
        return " or ".join(option.choices)
    if option.kind is bool:
        return "true or false"
    if option.low is None or option.high is None:
        return "text"
    lowest, highest = (f"{limit:,.0f}" if limit == int(limit) else f"{limit:g}" for limit in (option.low, option.high))
    lowest, highest = ("above " * option.above_low + lowest, "below " * option.below_high + highest)
    return " ".join(filter(None, [f"{lowest} to {highest}", option.unit]))


def shown(value: float | int | str | bool) -> str:
    """A value for display; an empty text is `nothing`."""
    if isinstance(value, bool):
        return str(value).lower()
    return "nothing" if value == "" else f"{value:g}" if isinstance(value, float) else str(value)


@functools.lru_cache(maxsize=4096, typed=True)  # pages write whole configurations at every rerun
def _scalar(name: str, value: object) -> str:
    return yaml.safe_dump({name: value}, allow_unicode=True).strip()


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


@functools.cache
def _explained(option: Option) -> list[str]:
    text = f"{option.label} ({limits(option)}; default {shown(option.default)}). {option.help}"
    return _comment(text, "  ")


def _lines(document: Mapping[str, object], head: str) -> Iterator[str]:
    if head:
        yield from _comment(head, "")
    by_key = {option.key: option for option in options()}
    for name, value in document.items():
        if not isinstance(value, Mapping):
            yield _scalar(name, value)
            continue
        yield f"{name}:"
        for inner, inner_value in value.items():
            yield from _explained(by_key[f"{name}.{inner}"])
            yield f"  {_scalar(inner, inner_value)}"


def commented(document: Mapping[str, object], head: str = "") -> bytes:
    """A document `{group: {name: value}}` as YAML, each option after a comment with its label, limits and help."""
    return ("\n".join(_lines(document, head)) + "\n").encode()


def values(config: Config) -> Values:
    """The value of every option."""
    return {option.key: getattr(getattr(config, option.group), option.name) for option in options()}


def differing(configurations: Iterable[Mapping[str, Value]]) -> list[str]:
    """Names (`group.name`) of the options that differ, in the order of declaration, unknown ones last.

    The configurations may be of any version: a missing option differs from every value.
    """
    configurations = list(configurations)
    declared = [option.key for option in options()]
    every = dict.fromkeys(key for values in configurations for key in values)
    keys = [key for key in declared if key in every] + [key for key in every if key not in set(declared)]
    return [key for key in keys if len({_comparable(values.get(key)) for values in configurations}) > 1]


def _comparable(value: Value | None) -> tuple[str, Value | None]:
    """A key by which 1 equals 1.0, but not true."""
    return ("flag" if isinstance(value, bool) else "value", value)
