"""The model of an earlier run that a training starts from (`training.start_from`), and whether it fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trainer.config import config_file
from trainer.config.option_list import options
from trainer.config.schema import LATEST, Config
from trainer.run import models, runs
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system import durable
from trainer.system.workspace import Workspace

OPTION = "training.start_from"
MUST_EQUAL = (
    "model.name",
    "model.width",
    "data.window_seconds",
    *(o.key for o in options() if o.group == "features" and o.key != "features.embedding_rounds"),
)
"""Weights fit only the same network with the same features and the same window."""


@dataclass(frozen=True)
class Earlier:
    """A run with a model to start from; `checkpoint` is in its checkpoints folder."""

    run: Run
    checkpoint: str
    is_best: bool

    def __str__(self) -> str:
        epoch = models.epoch_of(self.checkpoint)[0]
        best = f"the best model of run {self.run.id}, that of epoch {epoch}"
        return best if self.is_best else f"{self.checkpoint.removesuffix('.pt')} of run {self.run.id}"


def name_of(run: Run, checkpoint: str) -> str:
    """The value of `training.start_from` for a checkpoint: the id alone for the best one."""
    best = durable.read_document(Best, run.checkpoints / "best.json")
    return run.id if best and best.checkpoint == checkpoint else f"{run.id}/{checkpoint.removesuffix('.pt')}"


def _best(run: Run) -> Best | None:
    """The best model of a run; None when it has none, or its file is gone."""
    best = durable.read_document(Best, run.checkpoints / "best.json")
    if best is None or (run.checkpoints / best.checkpoint).is_symlink():
        return None
    return best if (run.checkpoints / best.checkpoint).is_file() else None


def _latest(workspace: Workspace) -> Run:
    """The newest run that has a model and has ended: the best model of an active run may still change."""
    for run in runs.all_runs(workspace):
        if _best(run) and runs.status(run).state not in ACTIVE:
            return run
    raise ValueError(
        f"{OPTION}: `{LATEST}` finds no run that has ended with a model; train one first, or leave the option empty."
    )


def _named(workspace: Workspace, run_id: str) -> Run:
    run = runs.by_id(workspace, run_id)
    if run is None:
        raise ValueError(f"{OPTION}: there is no run {run_id}; give the id of another, or leave the option empty.")
    if (state := runs.status(run).state) in ACTIVE:
        raise ValueError(
            f"{OPTION}: run {run_id} is {state}, so its best model may still change; wait for its end, or stop it."
        )
    return run


def _differences(earlier: Config, config: Config) -> Iterator[str]:
    for key in MUST_EQUAL:
        group, name = key.split(".")
        there, here = (getattr(getattr(one, group), name) for one in (earlier, config))
        if there != here:
            there, here = (f"{value:g}" if isinstance(value, float) else str(value) for value in (there, here))
            yield f"with {key} {there}, and here it is {here}; set {key} to {there}"


def _check(run: Run, config: Config) -> None:
    """Raises ValueError when the model of `run` does not fit `config`."""
    try:
        earlier = config_file.load(run.config_file)
    except (config_file.ConfigError, OSError):
        raise ValueError(
            f"{OPTION}: the configuration of run {run.id} cannot be read; give the id of another run."
        ) from None
    if found := list(_differences(earlier, config)):
        more = f" ({len(found) - 1} more {'option differs' if len(found) == 2 else 'options differ'})"
        raise ValueError(
            f"{OPTION}: run {run.id} was trained {found[0]}, or choose another run{more if len(found) > 1 else ''}."
        )


def _model(run: Run, stem: str) -> Earlier:
    """The checkpoint with this name (without `.pt`), the best one if it is empty. Raises ValueError."""
    if stem:
        if (name := f"{stem}.pt") in (every := models.checkpoints(run)):
            return Earlier(run, name, is_best=False)
        if not every:
            raise ValueError(f"{OPTION}: run {run.id} keeps no checkpoint; give the id of another run.")
        names = ", ".join(each.removesuffix(".pt") for each in every)
        raise ValueError(
            f"{OPTION}: run {run.id} does not keep {stem}; name one of {names}, or give the id alone for its best one."
        )
    if best := _best(run):
        return Earlier(run, best.checkpoint, is_best=True)
    raise ValueError(f"{OPTION}: run {run.id} has no best model; give the id of a run that finished an epoch.")


def find(workspace: Workspace, config: Config) -> Earlier | None:
    """The model to start from; None when the training starts from random weights.

    Raises ValueError with one sentence, `training.start_from: what is wrong and what to do`, when there is none.
    """
    text = config.training.start_from
    if not text:
        return None
    run_id, _, stem = text.partition("/")
    earlier = _model(_latest(workspace) if text == LATEST else _named(workspace, run_id), stem)
    _check(earlier.run, config)
    return earlier


def problem(workspace: Workspace, config: Config) -> str | None:
    """The problem with `training.start_from`, as the sentence of `find`; None when there is none."""
    try:
        find(workspace, config)
    except ValueError as error:
        return str(error)
    return None


def resolved(workspace: Workspace, config: Config) -> Config:
    """The configuration with `latest` replaced by the id of that run. Raises ValueError as `find`."""
    earlier = find(workspace, config)
    if earlier is None or config.training.start_from != LATEST:
        return config
    training = config.training.model_copy(update={"start_from": earlier.run.id})
    return config.model_copy(update={"training": training})
