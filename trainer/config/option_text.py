"""Options as text, made from their declarations: values, limits, and YAML that explains itself."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterator, Mapping

import yaml

from trainer.config.options import Option, options

WIDTH = 110


def limits(option: Option) -> str:
    """What an option may be, in a few words with its unit; a text option's help says it."""
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
    """A value as a person reads it; empty text is `nothing`."""
    if isinstance(value, bool):
        return str(value).lower()
    return "nothing" if value == "" else f"{value:g}" if isinstance(value, float) else str(value)


@functools.lru_cache(maxsize=4096, typed=True)  # pages write whole configurations at every drawing
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
    known = {option.key: option for option in options()}
    for name, value in document.items():
        if not isinstance(value, Mapping):
            yield _scalar(name, value)
            continue
        yield f"{name}:"
        for inner, inner_value in value.items():
            option = known[f"{name}.{inner}"]
            yield from _explained(option)
            yield f"  {_scalar(inner, inner_value)}"


def commented(document: Mapping[str, object], head: str = "") -> bytes:
    """A configuration's document `{group: {name: value}}` as YAML, each option under what it is and does."""
    return ("\n".join(_lines(document, head)) + "\n").encode()
