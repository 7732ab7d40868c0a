"""YAML from a stranger: a small, strict reading that cannot run code, blow up or drop a key silently."""

from __future__ import annotations

import re

import yaml

MOST_BYTES = 1_000_000
DEEPEST = 20
MOST_DIGITS = 300


class YamlError(ValueError):
    """The text is not the YAML we take; the message says where and why in one sentence."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that reads only what has one meaning: YAML 1.2's null, true, false and decimal numbers.

    Everything else is text, so that `no`, `010` (8 in YAML 1.1) and `12:30:45` (45045 there) become errors where a
    number is due instead of another number, and `1e-3` is the number that everybody means.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's way to begin without the resolvers of YAML 1.1
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases (a few lines can stand for gigabytes), tags and deep nesting before anything is built."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(f"line {line}: aliases (*name) are not taken; write the value out.")
        if tag := getattr(event, "tag", None):
            raise YamlError(f"line {line}: tags ({tag!r:.60}) are not taken; write plain values.")
        if self.depth >= DEEPEST:
            raise YamlError(f"line {line}: nested more than {DEEPEST} deep; a configuration has two levels.")
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    ("float", r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", list("-+.")),
):
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise YamlError(f"line {line}: a name must be plain text, as in `name: value`.")
        if key.value in found:
            raise YamlError(f"line {line}: {key.value!r:.80} is given twice; keep one.")
        found[key.value] = loader.construct_object(value, deep=True)
    return found


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _integer(loader: _StrictLoader, node: yaml.ScalarNode) -> int:
    if len(node.value) > MOST_DIGITS:
        line = node.start_mark.line + 1
        raise YamlError(f"line {line}: a number of {len(node.value):,} digits is too long; at most {MOST_DIGITS}.")
    return int(node.value)


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _integer)


def parse(data: bytes) -> object:
    """The document in `data` as plain Python values. Raises YamlError."""
    if len(data) > MOST_BYTES:
        raise YamlError(f"too large for a configuration: at most {MOST_BYTES:,} bytes are read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(f"not a text file (byte {error.start} is not UTF-8).") from None
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlError(f"{place}{error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(f"cannot be read: {str(error).splitlines()[0]}.") from None
