"""The only YAML reader: strict, runs no code, expands no aliases, accepts no duplicate keys."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import yaml

MOST_BYTES = 1_000_000
DEEPEST = 20
MOST_DIGITS = 300
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml if PyYAML was built with it, which is forty times as fast."""
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class YamlError(ValueError):
    """The text is not accepted as YAML; the message gives line and reason in one sentence."""


def parse(data: bytes) -> object:
    """The document in `data` as plain Python values; None when it is empty. Raises YamlError."""
    if len(data) > MOST_BYTES:
        raise YamlError(f"too large for a configuration; at most {MOST_BYTES:,} bytes are allowed.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(f"not a text file (byte {error.start} is not UTF-8).") from None
    try:
        return _document(yaml.parse(text, Loader=_PARSER))
    except yaml.YAMLError as error:
        raise YamlError(_reason(text, error)) from None


def _reason(text: str, error: yaml.YAMLError) -> str:
    """The reason from PyYAML's own parser, which gives better positions than libyaml."""
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
    except yaml.YAMLError as own:
        error = own
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"cannot be read: {str(error).splitlines()[0]}."
    mark = error.problem_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{error.problem or error.context}."


def _document(events: Iterator[yaml.Event]) -> object:
    """The value of the only document in a stream of events."""
    document: object = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise YamlError(f"{_line(event)}: a second document begins; keep one.")
            document = _value(next(events), events, 0)
    return document


def _value(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> object:
    """The value that begins with `event`. Refuses aliases, with which a few lines can expand to gigabytes, tags and
    deep nesting."""
    if isinstance(event, yaml.AliasEvent):
        raise YamlError(f"{_line(event)}: aliases (*name) are not supported; write the value out.")
    if tag := getattr(event, "tag", None):
        raise YamlError(f"{_line(event)}: tags ({tag!r:.60}) are not supported; write plain values.")
    if depth >= DEEPEST:
        raise YamlError(f"{_line(event)}: nested more than {DEEPEST} deep; a configuration has two levels.")
    if isinstance(event, yaml.ScalarEvent):
        return _plain_scalar(event) if event.implicit[0] else event.value
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, depth + 1)
    items = []
    while not isinstance(item := next(events), yaml.SequenceEndEvent):
        items.append(_value(item, events, depth + 1))
    return items


def _mapping(events: Iterator[yaml.Event], depth: int) -> dict[str, object]:
    values: dict[str, object] = {}
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        if not isinstance(key, yaml.ScalarEvent) or key.tag:
            _value(key, events, depth)
            raise YamlError(f"{_line(key)}: a name must be plain text, as in `name: value`.")
        if key.value in values:
            raise YamlError(f"{_line(key)}: {key.value!r:.80} is given twice; keep one.")
        values[key.value] = _value(next(events), events, depth)
    return values


def _line(event: yaml.Event) -> str:
    mark = event.start_mark
    return f"line {mark.line + 1}" if mark else "somewhere"


def _plain_scalar(event: yaml.ScalarEvent) -> object:
    text = event.value
    if len(text) > MOST_DIGITS and _INTEGER.fullmatch(text):
        raise YamlError(f"{_line(event)}: a number of {len(text):,} digits is too long; at most {MOST_DIGITS}.")
    return _resolved(text)


@functools.lru_cache(maxsize=10_000)
def _resolved(text: str) -> bool | int | float | str | None:
    """The value of a scalar without quotes: null, true, false or a decimal number as in YAML 1.2, else text.

    So `no`, `010` (8 in YAML 1.1) and `12:30:45` (45045 there) are errors where a number is expected, and `1e-3` is a
    number.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return float(text.replace(".", "", 1)) if _NOT_FINITE.fullmatch(text) else text
