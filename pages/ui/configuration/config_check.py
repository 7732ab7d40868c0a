"""The check of the edited configuration, and the notes beside the fields of the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pages.ui.configuration import draft
from pages.ui.configuration.draft import Draft
from pages.ui.shared import clip_cache, run_picker
from trainer.config import config_file, option_list
from trainer.config.config_file import ConfigError, Problem
from trainer.config.option_list import Values
from trainer.config.schema import LATEST, Config
from trainer.dataset import window_fit
from trainer.estimates import requirements
from trainer.estimates.requirements import Estimate, Machine
from trainer.run import earlier_run, runs
from trainer.system.workspace import Workspace


@dataclass(frozen=True)
class Checked:
    """The result of a check. Without a valid configuration, `config` and `needs` (its estimates) are None."""

    config: Config | None
    needs: Estimate | None
    problems: list[Problem]
    warnings: list[Problem]
    machine: Machine


def check(workspace: Workspace, edited: Draft) -> Checked:
    """Check the edited values."""
    here = requirements.machine(workspace)
    try:
        config = config_file.build(draft.document(edited))
    except ConfigError as error:
        return Checked(None, None, error.problems, [], here)
    sentence = earlier_run.problem(workspace, config)
    problems = [config_file.problem_of(sentence)] if sentence else []
    needs = requirements.estimate(config, requirements.clip_bytes(workspace))
    scan = clip_cache.found(workspace)
    unfit = window_fit.problem(config, window_fit.speech_of(scan.clips)) if scan else None
    warnings = [*requirements.warnings(config, here), *([unfit] if unfit else [])]
    return Checked(config, needs, problems, warnings, here)


Sentences = Mapping[str, Sequence[str]]
"""Sentences by `group.name`."""


@dataclass(frozen=True)
class Notes:
    """Notes beside the fields. `preset` names the values to compare with, empty for the defaults; `choices` are the
    values of a text option with the label of each."""

    problems: Sentences
    warnings: Sentences
    preset: str
    preset_values: Values
    choices: Mapping[str, Mapping[str, str]]


def notes(workspace: Workspace, edited: Draft, checked: Checked) -> Notes:
    known = edited.preset in config_file.presets()
    compared = config_file.preset(edited.preset) if known else Config()
    return Notes(
        by_option(checked.problems),
        by_option(checked.warnings),
        edited.preset if known else "",
        option_list.values(compared),
        {"training.start_from": _runs(workspace)},
    )


def by_option(problems: list[Problem]) -> dict[str, list[str]]:
    """Sentences by `group.name`."""
    sentences: dict[str, list[str]] = {}
    for problem in problems:
        sentences.setdefault(problem.option, []).append(problem.message)
    return sentences


def _runs(workspace: Workspace) -> dict[str, str]:
    """Runs whose model a training can start from, newest first."""
    named = {run.id: run_picker.name_of(run) for run in runs.all_runs(workspace)[: run_picker.MOST_RUNS]}
    return {"": "none: a new model", LATEST: "latest run with a model", **named}
