"""YAML from a stranger: a small, strict reading that cannot run code, blow up or drop a key silently."""

from __future__ import annotations

import re

import yaml

MOST_BYTES = 1_000_000
DEEPEST = 20


class YamlError(ValueError):
    """The text is not the YAML we take; the message says where and why in one sentence."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice and reads 1e-3 as a number."""


# YAML 1.1 wants a dot in a number with an exponent and would read 1e-3 as text.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[object, object]:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            raise YamlError(f"line {key.start_mark.line + 1}: {key.value!r} is given twice; keep one.")
        if isinstance(key.value, str):
            seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _check_shape(text: str) -> None:
    """Refuse aliases (a few lines can stand for gigabytes) and deep nesting before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=_StrictLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(f"line {line}: aliases (*name) are not taken; write the value out.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise YamlError(f"line {line}: nested more than {DEEPEST} deep; a configuration has two levels.")


def parse(data: bytes) -> object:
    """The document in `data` as plain Python values. Raises YamlError."""
    if len(data) > MOST_BYTES:
        raise YamlError(f"{len(data):,} bytes are too much for a configuration; at most {MOST_BYTES:,} are read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(f"not a text file (byte {error.start} is not UTF-8).") from None
    try:
        _check_shape(text)
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlError(f"{place}{error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(f"cannot be read: {str(error).splitlines()[0]}.") from None
