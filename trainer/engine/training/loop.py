"""The training loop: prepares a session, trains its epochs and obeys requests to pause or stop."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import torch
from torch import nn

from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data import clips
from trainer.engine.data.batches import Feed, open_feed, standardise
from trainer.engine.data.sound_bank import open_bank
from trainer.engine.data.windows import Windows
from trainer.engine.models import factory
from trainer.engine.training import checkpoints, mining, optimizers, precomputed_embeddings, resume, validation
from trainer.engine.training.checkpoints import Saved
from trainer.engine.training.epoch import finish_epoch, save_mid_epoch, train_epoch, update_remaining
from trainer.engine.training.journal import (
    Journal,
    open_event_file,
    open_journal,
    record_duration,
    report_preparation,
    update_progress,
)
from trainer.engine.training.session import (
    End,
    Interruption,
    ReadRequest,
    Session,
    best_model_clause,
    end_after,
    raise_if_ending,
)
from trainer.engine.training.timing import measure_later_phases
from trainer.engine.training.training_state import TrainingState
from trainer.run import earlier_run, models
from trainer.run.runs import Run
from trainer.system.log_lines import say
from trainer.system.workspace import Workspace


class EndedEarlyError(Exception):
    """The run was asked to end during its preparation; `end` is to be written to `journal`."""

    def __init__(self, journal: Journal, end: End) -> None:
        self.journal, self.end = journal, end
        super().__init__(end.reason)


def choose_device(name: str) -> torch.device:
    """The device of the option `training.device`. Raises ValueError when there is no GPU."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("training.device is cuda, but no GPU was found. Choose auto or cpu.")
    return torch.device("cuda:0" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare(workspace: Workspace, run: Run, attempt: int, read_request: ReadRequest) -> Session:
    """Load the configuration, the clips and the model of a run.

    Raises EndedEarlyError, ValueError, FileNotFoundError, OSError.
    """
    config = config_file.load(run.config_file)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    device = choose_device(config.training.device)
    torch.manual_seed(config.training.seed)
    optimizers.set_exact(config.training.exact)
    journal = open_journal(run, attempt, device, config.training.epochs)
    try:
        return _build_session(workspace, config, journal, device, read_request)
    except Interruption as interruption:
        end = end_after(interruption, "during preparation", journal.progress.best)
        raise EndedEarlyError(journal, end) from None


def _build_session(
    workspace: Workspace, config: Config, journal: Journal, device: torch.device, read_request: ReadRequest
) -> Session:
    """Build every part of the session. Raises Interruption between two pieces of work."""
    run, first = journal.run, journal.progress.attempt == 1

    def report(done: int, total: int, doing: str) -> None:
        report_preparation(journal, done, total, doing)
        raise_if_ending(read_request)

    def heartbeat() -> None:
        update_progress(journal)
        raise_if_ending(read_request)

    splits = manifest.read_splits(workspace)
    array = clips.prepare(workspace, [*splits["train"], *splits["val"]], report)
    arrays = {name: array.of_split(frozenset(clip.path for clip in splits[name])) for name in ("train", "val")}
    samples = open_bank(array, config, device)
    train = open_feed(arrays["train"], config, device, augmented=True, samples=samples)
    saved = None if first else _load_newest(run, config)
    model = (factory.build(config) if saved else _initial_model(workspace, config, train, heartbeat)).to(device)
    say(f"Model {config.model.name}: {factory.count_parameters(model):,} parameters, on {journal.progress.device}.")
    average = optimizers.average_of(model) if config.optimizer.ema_decay else None
    if config.training.compile:
        model.compile(options={"cpp_cache_precompile_headers": False})  # their place is /tmp, not the cache folder
    val = open_feed(arrays["val"], config, device, augmented=False, samples=samples)
    train, val_windows = precomputed_embeddings.attach(workspace.cache, train, val, report)
    heartbeat()
    dtype = optimizers.choose_dtype(config.training, device)
    session = Session(
        run,
        config,
        journal,
        model,
        average,
        optimizers.make_optimizer(model, config.optimizer),
        optimizers.make_scaler(dtype, device),
        dtype,
        train,
        val,
        val_windows,
        functools.cache(functools.partial(validation.open_stream, val, workspace.features, heartbeat)),
        manifest.fingerprint(workspace),
        read_request,
    )
    session = session if first else replace(session, start=resume.restore(session, saved))
    journal.events = open_event_file(run)
    return session


def _load_newest(run: Run, config: Config) -> Saved | None:
    """The newest checkpoint that fits the configuration.

    The network that it is tried with does not consume the run's random numbers, so that a run without a checkpoint
    starts as it did the first time.
    """
    with torch.random.fork_rng(devices=[]):
        network = factory.build(config)
    return checkpoints.newest(run.checkpoints, network)


def _initial_model(workspace: Workspace, config: Config, feed: Feed, heartbeat: Callable[[], None]) -> nn.Module:
    """The model before its first step: new, or that of an earlier run. Raises ValueError, OSError."""
    model = factory.build(config)
    standardise(model, feed, heartbeat)
    if earlier := earlier_run.find(workspace, config):
        checkpoints.load_into(model, earlier.run.checkpoints, earlier.checkpoint)
        say(f"Starting from {earlier}.")
    return model


def train(session: Session) -> End:
    """Train all remaining epochs; returns how the training ended.

    Raises FailedError when a loss is not finite, OSError. Requests are checked between any two pieces of work.
    Unfinished work is dropped, and a resume repeats it: a batch at most, or a validation, a scoring of the stream, a
    mining.
    """
    state = session.start
    try:
        while (end := _completed(session.config, state)) is None:
            if state.batch == 0 and mining.due(session.config, state.epoch):
                state = replace(state, pool=_mine(session, state.epoch))
            with closing(train_epoch(session, state)) as states:
                for next_state in states:
                    state = next_state
                    raise_if_ending(session.read_request)
            state = finish_epoch(session, state)
            measure_later_phases(session, state)
            update_remaining(session, state, session.journal.progress.batches)
            if session.read_request() == "stop_after_epoch" and _completed(session.config, state) is None:
                model = best_model_clause(state.best)
                return End("stopped", f"Stopped by the user after epoch {state.epoch - 1}{model}.")
    except Interruption as interruption:
        return _save_and_end(session, state, interruption)
    return end


def _save_and_end(session: Session, state: TrainingState, interruption: Interruption) -> End:
    """Save a checkpoint, unless the epoch has just begun: the end of the last one wrote it."""
    update_remaining(session, state, session.journal.progress.batches)
    if not state.batch:
        return end_after(interruption, f"before epoch {state.epoch}", state.best)
    update_progress(session.journal, flush=True, phase="saving", doing="")
    save_mid_epoch(session, state)
    return end_after(interruption, f"in epoch {state.epoch}, batch {state.batch}", state.best)


def _completed(config: Config, state: TrainingState) -> End | None:
    """How the training is complete before the current epoch; None when it is not."""
    best, options = state.best, config.training
    model = best_model_clause(best)
    if options.patience and best and state.epoch - 1 - best.epoch >= options.patience:
        measure = models.MEASURES[options.best_by]
        return End("completed", f"Early stopping: no better {measure} for {options.patience} epochs{model}.")
    if state.epoch > options.epochs:
        return End("completed", f"All {options.epochs} epochs done{model}.")
    return None


def _mine(session: Session, epoch: int) -> Windows:
    """The pool of the negatives that the model finds hardest. Raises Interruption."""
    journal, began = session.journal, time.monotonic()
    update_progress(journal, flush=True, phase="mining", doing="Mining hard negatives")

    def report(done: int, total: int) -> None:
        update_progress(journal, doing=f"Mining hard negatives: {done:,} of {total:,}")
        raise_if_ending(session.read_request)

    result = mining.mine(session.eval_model, session.train, report)
    record_duration(journal, "mining", began)
    say(mining.describe(result, epoch, time.monotonic() - began))
    return result.pool
