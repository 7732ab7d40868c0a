"""What is wrong with the edited configuration: one check behind the fields and the buttons of the page."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui.configuration import draft
from pages.ui.configuration.draft import Draft
from pages.ui.shared import clip_cache
from trainer.config import config_file
from trainer.config.config_file import ConfigError, Problem
from trainer.config.schema import Config
from trainer.dataset import window_fit
from trainer.estimates import requirements
from trainer.estimates.requirements import Estimate, Machine
from trainer.run import earlier_run
from trainer.system.workspace import Workspace


@dataclass(frozen=True)
class Checked:
    """`config` is None when there are problems that keep it from being one; `needs` are its estimates."""

    config: Config | None
    needs: Estimate | None
    problems: list[Problem]
    warnings: list[Problem]
    machine: Machine


def check(workspace: Workspace, edited: Draft) -> Checked:
    """Every problem and every warning of the edited values."""
    here = requirements.machine(workspace)
    try:
        config = config_file.build(draft.document(edited))
    except ConfigError as error:
        return Checked(None, None, error.problems, [], here)
    sentence = earlier_run.problem(workspace, config)
    problems = [config_file.problem_of(sentence)] if sentence else []
    needs = requirements.estimate(config, requirements.clip_bytes(workspace))
    found = clip_cache.found(workspace)
    unfit = window_fit.problem(config, window_fit.speech_of(found.clips)) if found else None
    warnings = [*requirements.warnings(config, here), *([unfit] if unfit else [])]
    return Checked(config, needs, problems, warnings, here)
