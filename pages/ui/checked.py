"""What is wrong with the edited configuration: one check behind the fields and the buttons of the page."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui import clip_cache, draft
from pages.ui.draft import Draft
from trainer import config_file, earlier_run, estimates, window_fit
from trainer.config import Config
from trainer.config_file import ConfigError, Problem
from trainer.estimates import Estimate, Machine
from trainer.workspace import Workspace


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
    here = estimates.machine(workspace)
    try:
        config = config_file.build(draft.document(edited))
    except ConfigError as error:
        return Checked(None, None, error.problems, [], here)
    sentence = earlier_run.problem(workspace, config)
    problems = [config_file.problem_of(sentence)] if sentence else []
    needs = estimates.estimate(config, estimates.clip_bytes(workspace))
    found = clip_cache.found(workspace)
    unfit = window_fit.problem(config, window_fit.speech_of(found.clips)) if found else None
    warnings = [*estimates.warnings(config, here), *([unfit] if unfit else [])]
    return Checked(config, needs, problems, warnings, here)
