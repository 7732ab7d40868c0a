"""Makes a creation, stage by stage, in the process of the job `create`; called again, it continues."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from trainer.creation import creation, plan
from trainer.creation.creation import Before, Creation, Order, Stage
from trainer.dataset import importing, splits
from trainer.dataset.scan import scan
from trainer.evaluation import assessment, evaluations
from trainer.run import failures, launch, models, runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE, State
from trainer.streams import recordings
from trainer.streams.composition import Options
from trainer.synthesis import demo_data, phrases, pronunciation, recipes
from trainer.system import durable, processes
from trainer.system.job import Report
from trainer.system.workspace import Workspace

RATIOS = (0.7, 0.15, 0.15)
LOOK_SECONDS = 0.5
STEPS = 1000
"""In how many steps the progress of a stage of several phases is reported."""
RESUMED: frozenset[State] = frozenset({"paused", "failed", "lost"})


def checked(order: Order) -> Order:
    """The order with its phrase and pronunciations as they are spoken. Raises ValueError with what to change."""
    language = phrases.find_language(order.language)
    spoken = tuple(pronunciation.check(ipa, language) for ipa in order.pronunciations)
    return order.model_copy(update={"phrase": phrases.check(order.phrase, language), "pronunciations": spoken})


def create(workspace: Workspace, order: Order, report: Report) -> Creation:
    """Make everything that is missing for an order; an equal one continues the last creation.

    Raises ValueError, OSError with what to do, KeyboardInterrupt when it is cancelled: then the training is paused.
    """
    current = _begun(workspace, checked(order))
    works: dict[Stage, Callable[[Workspace, Creation, Report], Creation]] = {
        "data": _make_data,
        "training": _train,
        "evaluation": _evaluate,
        "export": _export,
    }
    while (stage := current.stage) is not None:
        current = _written(
            workspace, current.model_copy(update={"began": time.time(), "clock": processes.boot_clock()})
        )
        current = works[stage](workspace, current, report)
        took = current.took | {stage: time.time() - current.began}
        current = _written(workspace, current.model_copy(update={"took": took}))
    return current


def _written(workspace: Workspace, current: Creation) -> Creation:
    path = creation.file(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace_json(path, current.model_dump())
    return current


def _begun(workspace: Workspace, order: Order) -> Creation:
    """The last creation if it is of the same order, voices, recipe and clips, without the stages whose results are
    gone; else a new one."""
    names, last = plan.voices(workspace, order), creation.read(workspace)
    inputs = creation.digest(workspace, order, names, plan.made_by(order, names))
    if last and last.inputs == inputs:
        return _without_lost(workspace, last)
    data_seconds = plan.data(workspace, order, names).seconds
    return Creation(
        id=secrets.token_hex(16),
        order=order,
        inputs=inputs,
        voices=names,
        recordings=len(creation.own_clips(workspace, "positive")),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        began=time.time(),
        planned=plan.planned(order, data_seconds),
        before=_before(workspace, last, order),
    )


def _without_lost(workspace: Workspace, last: Creation) -> Creation:
    """The creation without the stages from the first whose result was deleted."""
    run = runs.by_id(workspace, last.run)
    if last.run and run is None:
        kept = {"data": last.took["data"]} if "data" in last.took else {}
        return last.model_copy(update={"id": secrets.token_hex(16), "run": "", "evaluation": "", "took": kept})
    if run and last.evaluation and not evaluations.folder_of(run, last.evaluation).document_file.exists():
        earlier: tuple[Stage, ...] = ("data", "training")
        kept = {stage: last.took[stage] for stage in earlier}
        return last.model_copy(update={"evaluation": "", "took": kept})
    return last


def _before(workspace: Workspace, last: Creation | None, order: Order) -> Before | None:
    """The result of the last creation if it is of the same phrase."""
    if last is None or last.stage or last.order.phrase != order.phrase:
        return None
    headline = creation.headline_of(runs.by_id(workspace, last.run))
    return Before(recordings=last.recordings, text=headline.text) if headline else None


def _make_data(workspace: Workspace, current: Creation, report: Report) -> Creation:
    """Replace the synthetic clips, scan and split; the user's own clips stay and are used."""
    planned = plan.data(workspace, current.order, current.voices)
    recipe, report = planned.recipe, _of_phases(planned.phases, report)
    report(0, 0, "Choosing texts")
    with importing.staging(workspace) as (change_id, folder):
        recipes.make(workspace, recipe, folder, report)
        demo_data.replace(workspace, folder, f"Clips for {current.order.phrase}", change_id)
    scan(workspace, report)
    report(0, 0, "Splitting")
    facts = splits.facts(workspace)
    splits.split_dataset(workspace, facts.ratios if facts else RATIOS, facts.seed if facts else recipe.seed)
    return current


def _of_phases(phases: dict[str, float], report: Report) -> Report:
    """Report the share of a stage whose phases, by the beginning of what they report, take these seconds in turn."""
    names, total_seconds, at, furthest = list(phases), sum(phases.values()), 0, 0

    def of_phase(done: int, total: int, doing: str) -> None:
        nonlocal at, furthest
        at = next((number for number, name in enumerate(names) if number >= at and doing.startswith(name)), at)
        finished = sum(phases[name] for name in names[:at])
        share = done / total if total and doing.startswith(names[at]) else 0.0
        furthest = max(furthest, round(STEPS * (finished + share * phases[names[at]]) / total_seconds))
        report(furthest, STEPS, doing)

    return of_phase


def _train(workspace: Workspace, current: Creation, report: Report) -> Creation:
    run = runs.by_id(workspace, current.run)
    if run is None:
        report(0, 0, "Checking the data set")
        run = _started(workspace, current)
        current = _written(workspace, current.model_copy(update={"run": run.id}))
    state = runs.status(run).state
    if state in RESUMED or (state == "stopped" and not _has_model(run)):
        launch.resume(run)
    try:
        _wait(run, report)
    except KeyboardInterrupt:
        if runs.status(run).state in ACTIVE - {"stopping"}:
            launch.pause(run)
        raise
    return current


def _started(workspace: Workspace, current: Creation) -> Run:
    """The run of this creation, which is started unless an interrupted job has started it."""
    config = plan.config(current.order.seed)
    return launch.start(workspace, config, plan.PRESET, current.order.phrase, token=current.id).run


def _has_model(run: Run) -> bool:
    progress = runs.status(run).progress
    return bool(progress and progress.best)


def _wait(run: Run, report: Report) -> None:
    """Report the progress of a run until it ends. Raises ValueError when it ends without a model."""
    while (status := runs.status(run)).state in ACTIVE:
        progress = status.progress
        if status.state == "queued" or progress is None or not progress.epochs:
            report(0, 0, "Waiting for another training" if status.state == "queued" else "Starting the training")
        elif progress.epoch == 0:
            report(0, 0, progress.doing or "Preparing the training")
        else:
            done = (progress.epoch - 1) * progress.batches + progress.batch
            total = progress.epochs * progress.batches
            report(done, total, f"Training, epoch {progress.epoch} of {progress.epochs}")
        time.sleep(LOOK_SECONDS)
    if status.state == "completed" or (status.state == "stopped" and _has_model(run)):
        return
    if status.state == "paused":
        raise ValueError("The training is paused. Continue to resume it.")
    if runs.is_gone(run):
        raise ValueError("The run was deleted. Continue to train again.")
    reason = status.outcome.reason if status.outcome else "its process ended without giving a reason."
    raise ValueError(" ".join([f"The training ended early: {reason}", *failures.advice(status)[:1]]))


def _evaluate(workspace: Workspace, current: Creation, report: Report) -> Creation:
    request = assessment.Request(Options(hard=True), recordings.default(workspace))
    evaluation = assessment.evaluate(workspace, runs.find(workspace, current.run), request, report)
    return current.model_copy(update={"evaluation": evaluation.id})


def _export(workspace: Workspace, current: Creation, report: Report) -> Creation:
    models.tried_model_of(runs.find(workspace, current.run), report=report)
    return current
