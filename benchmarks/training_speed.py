"""Speed of the training loop compared with the limit set by its models on this machine.

python -m benchmarks.training_speed [MODEL...]

For each model at batch 64: the training loop with the augmentation of the preset `recommended`, and the limit, which is
forward, backward and step of the same model on tensors in memory. Both are measured in turns, so that other work on the
machine slows both. Then the cost of the data: memory, time to the first batch, memory over epochs.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import psutil
import torch

from benchmarks.presets import RECORDINGS, lay_out
from tests.tiny import ignore, make_raw
from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import EMBEDDING_WINDOW_SECONDS, Config, Model
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.engine.data import clips
from trainer.engine.data.batches import draw_epoch, training_batch
from trainer.engine.training import loop
from trainer.engine.training.epoch import StepPlan, take_step, train_epoch
from trainer.engine.training.session import Session
from trainer.engine.training.training_state import TrainingState
from trainer.run import metrics, runs
from trainer.run.runs import Run
from trainer.system import durable, processes
from trainer.system.workspace import PROJECT_ROOT, Workspace, open_workspace

MODELS = get_args(Model.model_fields["name"].annotation)
ON_EMBEDDINGS = ("dense", "conv_attention")
"""Models for speech embeddings, which are computed before the first epoch."""
BATCH_SIZE = 64
SECONDS = 6.0
"""Time to measure loop and limit of a model."""
TURNS = 3
EMBEDDED_WINDOWS = 1024
EPOCHS = 6


@dataclass(frozen=True)
class Speed:
    """Clips per second of the loop and of the model alone."""

    loop: float
    limit: float

    @property
    def ratio(self) -> float:
        return self.loop / self.limit


def config_of(model: str, epoch_windows: int = 0, epochs: int = 1000) -> Config:
    """A model at its default width with the recommended augmentation."""
    document = {
        "augmentation": config_file.preset_document("recommended").get("augmentation", {}),
        "model": {"name": model},
        "data": {"epoch_windows": epoch_windows},
        "training": {"batch_size": BATCH_SIZE, "epochs": epochs, "patience": 0, "stream_epochs": 0},
    }
    if model in ON_EMBEDDINGS:
        document["features"] = {"kind": "speech_embedding", "embedding_rounds": 1}
        document["data"] |= {"window_seconds": EMBEDDING_WINDOW_SECONDS, "epoch_windows": EMBEDDED_WINDOWS}
    return config_file.build(document)


def generated(root: Path, voices: int = 250) -> Workspace:
    """A workspace of tones, for machines without recordings."""
    workspace = Workspace(root)
    make_raw(workspace, voices)
    scan(workspace, ignore)
    splits.split_dataset(workspace, (0.7, 0.15, 0.15), 0)
    return workspace


def make_run(workspace: Workspace, name: str, config: Config) -> Run:
    run = Run(workspace.runs / name)
    run.folder.mkdir(parents=True)
    durable.replace_bytes(run.config_file, config_file.dump(config))
    return run


def prepared(workspace: Workspace, config: Config) -> Session:
    run = make_run(workspace, f"{config.model.name}-{time.monotonic_ns()}", config)
    with contextlib.redirect_stdout(sys.stderr):  # only the table goes to standard output
        return loop.prepare(workspace, run, 1, functools.partial(runs.wanted, run, 1))


def with_windows(session: Session, count: int) -> Session:
    """The session with epochs of at most `count` windows; precomputed embeddings are repeated."""
    config = session.config.model_copy(update={"data": session.config.data.model_copy(update={"epoch_windows": count})})
    feed, precomputed = replace(session.train, config=config), session.train.precomputed
    if precomputed:
        first = precomputed.rounds[0]
        feed = replace(
            feed, precomputed=replace(precomputed, rounds=(first.take(np.resize(np.arange(len(first)), count)),))
        )
    return replace(session, config=config, train=feed)


def seconds_of(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def measure(session: Session, seconds: float = SECONDS, turns: int = TURNS) -> Speed:
    """Loop and limit in turns; each turn of the loop is an epoch, with more windows for fast models."""
    features, positive = training_batch(session.train, draw_epoch(session.train, 1).take(slice(0, BATCH_SIZE)), 1, 0)
    session.model.train()

    def steps(count: int) -> None:
        for _ in range(count):
            take_step(session, features, positive, StepPlan(step=1, rate=1e-6))

    steps(3)
    of_step = seconds_of(lambda: steps(3)) / 3
    session = with_windows(session, BATCH_SIZE * max(4, round(seconds / turns / 2 / of_step)))
    windows = len(draw_epoch(session.train, 1))
    batches = max(1, windows // BATCH_SIZE)
    in_loop = alone = 0.0

    def epoch(number: int) -> None:
        for _ in train_epoch(session, TrainingState(epoch=number)):
            pass

    for turn in range(turns + 1):
        trained = seconds_of(functools.partial(epoch, turn + 1))
        stepped = seconds_of(lambda: steps(batches))
        if turn:  # the first turn is a warm-up
            in_loop, alone = in_loop + trained, alone + stepped
    return Speed(windows * turns / in_loop, batches * BATCH_SIZE * turns / alone)


def preparing_speed(session: Session) -> float:
    """Clips per second when batches are only prepared, in one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    windows = draw_epoch(session.train, 1)
    pieces = [windows.take(slice(first, first + BATCH_SIZE)) for first in range(0, 20 * BATCH_SIZE, BATCH_SIZE)]
    seconds = [seconds_of(lambda: training_batch(session.train, piece, 1, 0)) for piece in pieces]  # noqa: B023
    torch.set_num_threads(threads)
    return BATCH_SIZE / float(np.median(seconds))


def loader_memory(workspace: Workspace) -> tuple[int, int]:
    """(Growth of memory while clips are decoded, size of the array on disk) in bytes."""
    splits_of = manifest.read_splits(workspace)
    before = psutil.Process().memory_info().rss
    array = clips.prepare(workspace, [*splits_of["train"], *splits_of["val"]], ignore)
    return processes.peak_memory_bytes() - before, array.samples.nbytes


@dataclass(frozen=True)
class Process:
    """A trainer process: seconds from its start to its first batch; memory after each epoch in bytes, without mapped
    files."""

    first_batch_seconds: float
    held: list[int]


def train_in_process(workspace: Workspace, config: Config) -> Process:
    """Train in a process as the supervisor does. Raises CalledProcessError."""
    run = make_run(workspace, f"process-{time.monotonic_ns()}", config)
    command = [sys.executable, "-m", "trainer.engine", str(run.folder), "1", str(os.getpid())]
    start, held, timing = time.monotonic(), list[int](), metrics.Tail()
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=processes.environment_of_engine(workspace), stdout=subprocess.DEVNULL
    ) as trainer:
        while not run.metrics_file.exists() and trainer.poll() is None:  # the first row is written after a batch
            time.sleep(0.005)
        first = time.monotonic() - start
        while trainer.poll() is None:
            metrics.read_more(timing, run.timing_file)
            if len(timing.epochs) > len(held):
                memory = psutil.Process(trainer.pid).memory_info()
                held.append(memory.rss - getattr(memory, "shared", 0))  # unknown on macOS
            time.sleep(0.02)
    if trainer.returncode:
        raise subprocess.CalledProcessError(trainer.returncode, command)
    return Process(first, held)


def report(workspace: Workspace, models: Sequence[str]) -> Iterator[str]:
    grown, array_bytes = loader_memory(workspace)
    yield "| model | features | limit, clips/s | loop, clips/s | loop / limit |"
    yield "| --- | --- | --- | --- | --- |"
    for model in models:
        session = prepared(workspace, config_of(model))
        speed = measure(session)
        kind = session.config.features.kind
        yield f"| {model} | {kind} | {speed.limit:,.0f} | {speed.loop:,.0f} | {speed.ratio:.2f} |"
    plain = prepared(workspace, config_of("tc_resnet"))
    trained = train_in_process(workspace, config_of("tc_resnet", 1024, EPOCHS))
    held = ", ".join(f"{each / 1e6:,.0f}" for each in trained.held)
    yield ""
    yield f"On {plain.journal.progress.device}; batches of {BATCH_SIZE}, {len(plain.train.array.clips):,} clips."
    yield f"Batches prepared alone, in one thread: {preparing_speed(plain):,.0f} clips/s."
    yield f"Memory grew by {grown / 1e6:,.0f} MB while {array_bytes / 1e6:,.0f} MB of clips were decoded."
    yield f"From the start of the trainer to its first batch, files warm: {trained.first_batch_seconds:.1f} s."
    yield f"Memory of the trainer after each epoch, without mapped files: {held} MB."


def main(models: Sequence[str]) -> None:
    """Print the table, in a process with the environment of trainings."""
    environment = processes.environment_of_engine(open_workspace())
    if environment != dict(os.environ):
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.training_speed", *models], environment)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workspace = lay_out(root) if RECORDINGS.exists() else generated(root)
        for line in report(workspace, models):
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or MODELS)
