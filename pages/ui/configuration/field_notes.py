"""What stands beside the fields of the form: problems, warnings, the preset's values, runs to go on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pages.ui.configuration.config_check import Checked
from pages.ui.configuration.draft import Draft
from pages.ui.shared import watched
from trainer.config import config_difference, config_file
from trainer.config.config_difference import Values
from trainer.config.config_file import Problem
from trainer.config.schema import LATEST, Config
from trainer.run import runs
from trainer.system.workspace import Workspace

Sentences = Mapping[str, Sequence[str]]
"""Sentences by `group.name`."""


@dataclass(frozen=True)
class Notes:
    """`preset` names what the values are compared with, empty for the defaults; `choices` are values of a text
    option with what a person reads for each."""

    problems: Sentences
    warnings: Sentences
    preset: str
    preset_values: Values
    choices: Mapping[str, Mapping[str, str]]


def notes(workspace: Workspace, edited: Draft, found: Checked) -> Notes:
    known = edited.preset in config_file.presets()
    compared = config_file.preset(edited.preset) if known else Config()
    return Notes(
        by_option(found.problems), by_option(found.warnings), edited.preset if known else "",
        config_difference.values(compared), {"training.start_from": _runs(workspace)},
    )  # fmt: skip


def by_option(found: list[Problem]) -> dict[str, list[str]]:
    """Sentences by `group.name`."""
    sentences: dict[str, list[str]] = {}
    for problem in found:
        sentences.setdefault(problem.option, []).append(problem.message)
    return sentences


def _runs(workspace: Workspace) -> dict[str, str]:
    """Runs to go on from, the newest first."""
    named = {run.id: watched.name_of(run) for run in runs.all_runs(workspace)[: watched.MOST_RUNS]}
    return {"": "nothing: a new model", LATEST: "latest run with a model", **named}
