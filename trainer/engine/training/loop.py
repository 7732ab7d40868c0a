"""The training loop: epochs of batches, validation, checkpoints, and an ear for what the user wants."""

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
from trainer.engine.training.epoch import expect_rest, finish_epoch, save_within, train_epoch
from trainer.engine.training.journal import Journal, begin_events, open_journal, piece_done, preparing, tell
from trainer.engine.training.session import End, Interruption, Parts, Wanted, end_of, kept, obey
from trainer.engine.training.timing import measure_coming
from trainer.engine.training.training_state import Course
from trainer.run import earlier_run, models
from trainer.run.runs import Run
from trainer.system.log_lines import say
from trainer.system.workspace import Workspace


class EndedEarlyError(Exception):
    """The run was to end while it was prepared; `journal` is where its `end` is told."""

    def __init__(self, journal: Journal, end: End) -> None:
        self.journal, self.end = journal, end
        super().__init__(end.reason)


def choose_device(name: str) -> torch.device:
    """The device that an option names. Raises ValueError when there is no GPU to take."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("training.device is cuda, but no GPU was found. Choose auto or cpu.")
    return torch.device("cuda:0" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare(workspace: Workspace, run: Run, attempt: int, wanted: Wanted) -> Parts:
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
        return _prepared(workspace, config, journal, device, wanted)
    except Interruption as asked:
        raise EndedEarlyError(journal, end_of(asked, "during preparation", journal.progress.best)) from None


def _prepared(workspace: Workspace, config: Config, journal: Journal, device: torch.device, wanted: Wanted) -> Parts:
    """The parts of a training, read and made between beats."""
    run, first = journal.run, journal.progress.attempt == 1

    def report(done: int, total: int, doing: str) -> None:
        preparing(journal, done, total, doing)
        obey(wanted)

    def beat() -> None:
        tell(journal)
        obey(wanted)

    splits = manifest.read_splits(workspace)
    array = clips.prepare(workspace, [*splits["train"], *splits["val"]], report)
    parts = {name: array.of_split(frozenset(clip.path for clip in splits[name])) for name in ("train", "val")}
    samples = open_bank(array, config, device)
    train = open_feed(parts["train"], config, device, augmented=True, samples=samples)
    saved = None if first else _newest(run, config)
    model = (factory.build(config) if saved else _first_model(workspace, config, train, beat)).to(device)
    say(f"Model {config.model.name}: {factory.parameters(model):,} parameters, on {journal.progress.device}.")
    average = optimizers.average_of(model) if config.optimizer.ema_decay else None
    if config.training.compile:
        model.compile(options={"cpp_cache_precompile_headers": False})  # they lie in /tmp, whatever cache is named
    val = open_feed(parts["val"], config, device, augmented=False, samples=samples)
    train, val_windows = precomputed_embeddings.keep(workspace.cache, train, val, report)
    beat()
    dtype = optimizers.choose_dtype(config.training, device)
    begun = Parts(
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
        functools.cache(functools.partial(validation.open_stream, val, beat)),
        manifest.fingerprint(workspace),
        wanted,
    )
    ready = begun if first else replace(begun, start=resume.go_on(begun, saved))
    journal.events = begin_events(run)
    return ready


def _newest(run: Run, config: Config) -> Saved | None:
    """The newest checkpoint that fits the configuration.

    The network that tries it draws none of the run's random numbers: without a checkpoint a run begins as at first.
    """
    with torch.random.fork_rng(devices=[]):
        network = factory.build(config)
    return checkpoints.newest(run.checkpoints, network)


def _first_model(workspace: Workspace, config: Config, feed: Feed, beat: Callable[[], None]) -> nn.Module:
    """The model before its first step: new, or one of an earlier run. Raises ValueError, OSError."""
    model = factory.build(config)
    standardise(model, feed, beat)
    if earlier := earlier_run.find(workspace, config):
        checkpoints.load_into(model, earlier.run.checkpoints, earlier.checkpoint)
        say(f"Starting from {earlier}.")
    return model


def train(parts: Parts) -> End:
    """Run all epochs that are left; returns how it ended. Raises FailedError when a loss is no number, OSError.

    A wish to end is heard between any two pieces of work. What was under way is dropped, to be done again by a resume:
    a batch at most, or a validation, a stream, a look for hard negatives.
    """
    course = parts.start
    try:
        while (end := _done(parts.config, course)) is None:
            if course.batch == 0 and mining.due(parts.config, course.epoch):
                course = replace(course, pool=_mine(parts, course.epoch))
            with closing(train_epoch(parts, course)) as batches:
                for further in batches:
                    course = further
                    obey(parts.wanted)
            course = finish_epoch(parts, course)
            measure_coming(parts, course)
            expect_rest(parts, course, parts.journal.progress.batches)
            if parts.wanted() == "stop_after_epoch" and _done(parts.config, course) is None:
                return End("stopped", f"Stopped by the user after epoch {course.epoch - 1}{kept(course.best)}.")
    except Interruption as asked:
        return _saved(parts, course, asked)
    return end


def _saved(parts: Parts, course: Course, asked: Interruption) -> End:
    """Save the training as it stands, which between two epochs has been done."""
    expect_rest(parts, course, parts.journal.progress.batches)
    if not course.batch:
        return end_of(asked, f"before epoch {course.epoch}", course.best)
    tell(parts.journal, now=True, phase="saving", doing="")
    save_within(parts, course)
    return end_of(asked, f"in epoch {course.epoch}, batch {course.batch}", course.best)


def _done(config: Config, course: Course) -> End | None:
    """How the training has ended before the epoch under way; None when it has not."""
    best, options = course.best, config.training
    if options.patience and best and course.epoch - 1 - best.epoch >= options.patience:
        measure = models.MEASURES[options.best_by]
        return End("completed", f"Early stopping: no better {measure} for {options.patience} epochs{kept(best)}.")
    if course.epoch > options.epochs:
        return End("completed", f"All {options.epochs} epochs done{kept(best)}.")
    return None


def _mine(parts: Parts, epoch: int) -> Windows:
    """The pool of the negatives that are hardest now. Raises Interruption."""
    journal, began = parts.journal, time.monotonic()
    tell(journal, now=True, phase="mining", doing="Mining hard negatives")

    def heard(done: int, of: int) -> None:
        tell(journal, doing=f"Mining hard negatives: {done:,} of {of:,}")
        obey(parts.wanted)

    mined = mining.mine(parts.judged, parts.train, heard)
    piece_done(journal, "mining", began)
    say(mining.describe(mined, epoch, time.monotonic() - began))
    return mined.pool
