"""Configuration files: reading with a message for every problem, presets, and the paths of saved configurations."""

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
from trainer.system import durable, regular_file
from trainer.system.workspace import PROJECT_ROOT, Workspace

PRESETS = PROJECT_ROOT / "configs" / "presets"
FIRST = ("recommended", "quick")
REMOVED = {"loss": {"name": ("cross_entropy",), "focal_gamma": None, "tail_share": None, "tail_weight": None}}
"""Options of earlier versions that files still hold, with the values that change nothing (None: every value)."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}[A-Za-z0-9_-]|[A-Za-z0-9]")


@dataclass(frozen=True)
class Problem:
    """What is wrong with one option (`group.name`, or empty for the whole document)."""

    option: str
    message: str

    def __str__(self) -> str:
        return f"{self.option}: {self.message}" if self.option else self.message


class ConfigError(ValueError):
    """A configuration that cannot be used; `problems` holds every reason, the message the first ones."""

    def __init__(self, problems: list[Problem], source: str = "") -> None:
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{source + ': ' if source else ''}{problems[0]}{more}")


def _known(location: tuple[int | str, ...]) -> list[str]:
    """Names that may stand where `location` points: groups at the top, options inside a group."""
    group = location[0] if len(location) > 1 else None
    return [o.name for o in options() if o.group == group] if group else list(Config.model_fields)


def _unknown(location: tuple[int | str, ...]) -> str:
    name = str(location[-1])
    elsewhere = [o.key for o in options() if o.name == name]
    near = elsewhere or difflib.get_close_matches(name, _known(location), 1, 0.4)
    hint = f"did you mean {near[0]}?" if near else f"valid names are {', '.join(_known(location))}."
    return f"there is no such option; {hint}"


def _sentence(error: Mapping[str, Any]) -> str:
    """One pydantic error as what is wrong, which value, what to do."""
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
    found = []
    for item in error.errors(include_url=False):
        if item["type"] == "value_error":  # rules between options: one line each, see config.Config.rules
            return [problem_of(line) for line in str(item["ctx"]["error"]).splitlines()]
        found.append(Problem(".".join(str(part) or "''" for part in item["loc"]), _sentence(item)))
    wrong = {item["loc"] for item in error.errors(include_url=False, include_input=False)}
    return found + [problem_of(line) for line in broken_rules(_without(document, wrong))]


def _without(document: object, wrong: Set[tuple[int | str, ...]]) -> Config:
    """The document with NaN, which breaks no rule, for what is wrong in itself.

    pydantic checks the rules between options only when every option is valid; a user needs all problems at once.
    """
    given = document if isinstance(document, dict) else {}
    built: dict[str, Any] = {}
    for group, kind in groups().items():
        values = {o.name: o.default for o in options() if o.group == group} | _group(given, group)
        bad = {o.name: math.nan for o in options() if {(group,), (group, o.name)} & wrong}
        built[group] = kind.model_construct(**(values | bad))
    return Config.model_construct(**built)


def build(document: object) -> Config:
    """A configuration from nested plain values. Raises ConfigError.

    What is not given keeps the value of the preset that `preset` names, else its default. A document that gives
    every option may name a preset that is no longer shipped.
    """
    whole = {} if document is None else _without_removed(_on_its_preset(document))
    try:
        return Config.model_validate(whole)
    except ValidationError as error:
        raise ConfigError(_problems(error, whole)) from None


def is_removed(group: str, name: str, value: object) -> bool:
    """Whether an option is one of earlier versions whose value changes nothing."""
    harmless = REMOVED.get(group, {}).get(name, ())
    return harmless is None or value in harmless


def _without_removed(document: object) -> object:
    """The document without options of earlier versions. Raises ConfigError where one asks for what is gone."""
    if not isinstance(document, dict):
        return document
    changed = dict(document)
    for group, names in REMOVED.items():
        values = {n: value for n, value in _group(document, group).items() if not is_removed(group, n, value)}
        for name in names.keys() & values.keys():
            gone, left = f"{values[name]!r:.60} is no longer available", " or ".join(names[name] or ())
            raise ConfigError([Problem(f"{group}.{name}", f"{gone}, only {left}; remove this option.")])
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
    below = preset_document(name)
    merged = {group: _group(below, group) | document[group] for group in below if isinstance(document.get(group), dict)}
    return below | document | merged


def _group(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def parse(data: bytes, source: str = "") -> Config:
    """A configuration from YAML bytes; `source` names them in messages. Raises ConfigError."""
    try:
        return build(yaml_text.parse(data))
    except yaml_text.YamlError as error:
        raise ConfigError([Problem("", str(error))], source) from None
    except ConfigError as error:
        raise ConfigError(error.problems, source) from None


def dump(config: Config) -> bytes:
    """Every option, resolved, as YAML that explains itself."""
    document = config.model_dump()
    return option_list.commented(document if config.preset else {k: v for k, v in document.items() if k != "preset"})


def presets() -> list[str]:
    """Names of the shipped presets, those to begin with first."""
    return sorted(
        (path.stem for path in PRESETS.glob("*.yaml")), key=lambda name: (name not in FIRST, name != FIRST[0], name)
    )


def preset_document(name: str) -> dict[str, Any]:
    """What a preset says: only what differs from the defaults, `{group: {name: value}}`."""
    found = yaml_text.parse((PRESETS / f"{name}.yaml").read_bytes())
    return found if isinstance(found, dict) else {}


def preset(name: str) -> Config:
    """The configuration that a preset stands for."""
    return build({"preset": name})


def situation(name: str) -> str:
    """For whom a preset is: the comment at the head of its file."""
    lines = (PRESETS / f"{name}.yaml").read_text().splitlines()
    return " ".join(line[2:] for line in itertools.takewhile(lambda line: line.startswith("# "), lines))


def saved(workspace: Workspace) -> list[str]:
    """Names of the user's configurations, the one saved last first."""
    return [path.stem for path in durable.newest_first(workspace.configs.glob("*.yaml"))]


def saved_path(workspace: Workspace, name: str) -> Path:
    """Where the user's configuration of this name lies. Raises ConfigError for a name that is no plain file name."""
    if not NAME.fullmatch(name):
        message = f"{name!r:.80} is not a valid name; use up to 64 letters (a to z), digits, spaces, dots, - or _."
        raise ConfigError([Problem("", message)])
    return workspace.configs / f"{name}.yaml"


def save(workspace: Workspace, name: str, config: Config) -> Path:
    """Save under `name`, replacing what had it. Raises ConfigError for a bad name and OSError."""
    path = saved_path(workspace, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace_bytes(path, dump(config))
    return path


def find(workspace: Workspace, text: str) -> Path:
    """The file that `text` names: a path, a configuration of the user or a preset. Raises FileNotFoundError."""
    named = [workspace.configs / f"{text}.yaml", PRESETS / f"{text}.yaml"] if NAME.fullmatch(text) else []
    for path in [Path(text), *named]:
        with suppress(OSError):  # a text too long for a file's name is no file's name
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"There is no configuration {text!r}. "
        f"Give the path of a YAML file or one of the presets: {', '.join(presets())}."
    )


def load(path: Path) -> Config:
    """The configuration in a file; that of a preset knows which it is. Raises ConfigError, OSError."""
    if path.resolve().parent == PRESETS:
        return preset(path.stem)
    with regular_file.open_binary(path) as file:
        return parse(file.read(yaml_text.MOST_BYTES + 1), path.name)  # enough to know that it is too large
