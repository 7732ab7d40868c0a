"""Configuration files: reading with a message for every problem, writing, and presets."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trainer.config import option_list, yaml_text
from trainer.config.option_list import groups, options
from trainer.config.schema import Config, broken_rules
from trainer.system import regular_file
from trainer.system.workspace import PROJECT_ROOT, Workspace

PRESETS = PROJECT_ROOT / "configs" / "presets"
FIRST = ("recommended", "quick")
REMOVED = {"loss": {"name": ("cross_entropy",), "focal_gamma": None, "tail_share": None, "tail_weight": None}}
"""Options of earlier versions that files still contain, with their values that have no effect (None: all)."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}[A-Za-z0-9_-]|[A-Za-z0-9]")
"""Valid names of configurations."""


@dataclass(frozen=True)
class Problem:
    """A problem of one option (`group.name`), or of the whole document (empty)."""

    option: str
    message: str

    def __str__(self) -> str:
        return f"{self.option}: {self.message}" if self.option else self.message


class ConfigError(ValueError):
    """An invalid configuration with all its problems; the message is the first one."""

    def __init__(self, problems: list[Problem], source: str = "") -> None:
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{source + ': ' if source else ''}{problems[0]}{more}")


def _unknown(location: tuple[int | str, ...]) -> str:
    """The sentence about an unknown group or option, with the name that was probably meant."""
    name, group = str(location[-1]), location[0] if len(location) > 1 else None
    valid = [o.name for o in options() if o.group == group] if group else list(Config.model_fields)
    elsewhere = [o.key for o in options() if o.name == name]
    near = elsewhere or difflib.get_close_matches(name, valid, 1, 0.4)
    hint = f"did you mean {near[0]}?" if near else f"valid names are {', '.join(valid)}."
    return f"there is no such option; {hint}"


def _sentence(error: Mapping[str, Any]) -> str:
    """The sentence about an error of pydantic."""
    given = f"{error['input']!r:.60} given"
    limits = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _unknown(error["loc"])
        case "greater_than_equal" | "greater_than":
            return f"must be {'at least' if 'ge' in limits else 'above'} {limits.get('ge', limits.get('gt'))}; {given}."
        case "less_than_equal" | "less_than":
            return f"must be {'at most' if 'le' in limits else 'below'} {limits.get('le', limits.get('lt'))}; {given}."
        case "int_type" | "int_from_float" | "int_parsing" | "int_parsing_size":
            return f"must be a whole number; {given}."
        case "float_type" | "float_parsing" | "finite_number":
            return f"must be a number; {given}."
        case "literal_error":
            return f"must be {limits['expected']}; {given}."
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"must contain options as `name: value`; {given}."
        case "string_type":
            return f"must be text; {given}."
        case "string_pattern_mismatch" if error["loc"] == ("training", "start_from"):
            return (
                f"must be the id of a run (with /epoch-00012 for one of its checkpoints), `latest` or empty; {given}."
            )
        case "string_pattern_mismatch":
            return f"must be a plain name; {given}."
    return f"{error['msg']}; {given}."


def problem_of(line: str) -> Problem:
    """The problem in a line `option: sentence`."""
    return Problem(*line.split(": ", 1))


def _problems(error: ValidationError, document: object) -> list[Problem]:
    problems = []
    for item in error.errors(include_url=False):
        if item["type"] == "value_error":  # rules between options, one per line, see schema.Config.rules
            return [problem_of(line) for line in str(item["ctx"]["error"]).splitlines()]
        problems.append(Problem(".".join(str(part) or "''" for part in item["loc"]), _sentence(item)))
    wrong = {item["loc"] for item in error.errors(include_url=False, include_input=False)}
    return problems + [problem_of(line) for line in broken_rules(_without(document, wrong))]


def _without(document: object, wrong: Set[tuple[int | str, ...]]) -> Config:
    """The document with NaN, which breaks no rule, instead of invalid values.

    pydantic checks the rules between options only when every option is valid; a user needs all problems at once.
    """
    mapping = document if isinstance(document, dict) else {}
    built: dict[str, Any] = {}
    for group, kind in groups().items():
        values = {o.name: o.default for o in options() if o.group == group} | _group(mapping, group)
        bad = {o.name: math.nan for o in options() if {(group,), (group, o.name)} & wrong}
        built[group] = kind.model_construct(**(values | bad))
    return Config.model_construct(**built)


def build(document: object) -> Config:
    """A configuration from nested plain values. Raises ConfigError.

    Missing options get the value of the preset that `preset` names, else their default. A document with every option
    may name a preset that is no longer shipped.
    """
    whole = {} if document is None else _without_removed(_on_its_preset(document))
    try:
        return Config.model_validate(whole)
    except ValidationError as error:
        raise ConfigError(_problems(error, whole)) from None


def is_removed(group: str, name: str, value: object) -> bool:
    """Whether an option is one of earlier versions with a value that has no effect."""
    harmless = REMOVED.get(group, {}).get(name, ())
    return harmless is None or value in harmless


def _without_removed(document: object) -> object:
    """The document without options of earlier versions. Raises ConfigError for a value that had an effect."""
    if not isinstance(document, dict):
        return document
    changed = dict(document)
    for group, names in REMOVED.items():
        values = {n: value for n, value in _group(document, group).items() if not is_removed(group, n, value)}
        for name in names.keys() & values.keys():
            available = " or ".join(names[name] or ())
            sentence = f"{values[name]!r:.60} is no longer available, only {available}; remove this option."
            raise ConfigError([Problem(f"{group}.{name}", sentence)])
        if isinstance(document.get(group), dict):
            changed[group] = values
    return changed


def _on_its_preset(document: object) -> object:
    name = document.get("preset") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(name, str) or not name:
        return document
    if name not in presets():
        if all(option.name in _group(document, option.group) for option in options()):
            return document
        near = difflib.get_close_matches(name, presets(), 1, 0.4)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(presets())}."
        raise ConfigError([Problem("preset", f"there is no preset {name!r:.60}; {hint}")])
    base = preset_document(name)
    merged = {group: _group(base, group) | document[group] for group in base if isinstance(document.get(group), dict)}
    return base | document | merged


def _group(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    group = document.get(name)
    return group if isinstance(group, dict) else {}


def parse(data: bytes, source: str = "") -> Config:
    """A configuration from YAML bytes; `source` names them in messages. Raises ConfigError."""
    try:
        return build(yaml_text.parse(data))
    except yaml_text.YamlError as error:
        raise ConfigError([Problem("", str(error))], source) from None
    except ConfigError as error:
        raise ConfigError(error.problems, source) from None


def dump(config: Config) -> bytes:
    """Every option as commented YAML."""
    document = config.model_dump()
    return option_list.commented(document if config.preset else {k: v for k, v in document.items() if k != "preset"})


def presets() -> list[str]:
    """Names of the shipped presets, FIRST first."""
    names = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    return [*FIRST, *(name for name in names if name not in FIRST)]


def preset_document(name: str) -> dict[str, Any]:
    """The options of a preset that differ from the defaults, `{group: {name: value}}`."""
    document = yaml_text.parse((PRESETS / f"{name}.yaml").read_bytes())
    return document if isinstance(document, dict) else {}


def preset(name: str) -> Config:
    """The configuration of a preset."""
    return build({"preset": name})


def situation(name: str) -> str:
    """What a preset is for: the comment at the head of its file."""
    lines = (PRESETS / f"{name}.yaml").read_text().splitlines()
    return " ".join(line[2:] for line in itertools.takewhile(lambda line: line.startswith("# "), lines))


def find(workspace: Workspace, text: str) -> Path:
    """The file that `text` names: a path, a saved configuration or a preset. Raises FileNotFoundError."""
    named = [workspace.configs / f"{text}.yaml", PRESETS / f"{text}.yaml"] if NAME.fullmatch(text) else []
    for path in [Path(text), *named]:
        with suppress(OSError):  # the text is too long for a file name
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"There is no configuration {text!r}. Give the path of a YAML file or one of the presets: "
        f"{', '.join(presets())}."
    )


def load(path: Path) -> Config:
    """The configuration in a file; that of a preset names the preset. Raises ConfigError, OSError."""
    if path.resolve().parent == PRESETS:
        return preset(path.stem)
    with regular_file.open_binary(path) as file:
        return parse(
            file.read(yaml_text.MOST_BYTES + 1), path.name
        )  # one byte more, to detect a file that is too large
