"""What differs between two configurations, option by option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainer.config.options import Option, options
from trainer.config.schema import Config

Value = float | int | str | bool
Values = dict[str, Value]
"""Values by `group.name`."""


@dataclass(frozen=True)
class Difference:
    """One option that two configurations do not agree on, with its value in each."""

    option: Option
    first: Value
    second: Value


def values(config: Config) -> Values:
    """The value of every option."""
    return {option.key: getattr(getattr(config, option.group), option.name) for option in options()}


def differences(first: Mapping[str, Value], second: Mapping[str, Value]) -> list[Difference]:
    """Every option with another value in `second` than in `first`, in the order of declaration."""
    both = ((option, first[option.key], second[option.key]) for option in options())
    return [Difference(option, a, b) for option, a, b in both if a != b]
