"""Speech embeddings computed once for a whole training: several augmented rounds, mining candidates and validation."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainer.config.schema import EMBEDDING_NUMBERS, EMBEDDING_STEPS
from trainer.engine.data.batches import Feed, plain_batches, training_draw
from trainer.engine.data.windows import Kept, KeptWindows, Windows, epoch_windows, validation_windows
from trainer.engine.features import embedding
from trainer.engine.training import mining
from trainer.system import cache, durable
from trainer.system.job import Report
from trainer.system.log_lines import say

LAYOUT_VERSION = 1
"""To be raised when windows are cut or augmented in another way: old arrays would be taken for new ones."""
BATCH = 64
"""Windows that are augmented together. Not the training's batch size, so that this can change with nothing computed."""


def _plan(train: Feed, val: Feed) -> list[Windows]:
    """The windows of each round, then candidates for mining (none when none is wanted), then validation."""
    array, config = train.array, train.config
    rounds = [epoch_windows(array, config, number + 1) for number in range(config.features.embedding_rounds)]
    candidates = mining.candidates(array, config)
    wanted = candidates if config.data.mined_share else candidates.take(slice(0, 0))
    return [*rounds, wanted, validation_windows(val.array, config)]


def _key(train: Feed, val: Feed) -> str:
    """Names the array after what it is made from, the machine's arithmetic included: the same training, to the bit."""
    config = train.config
    made_by = [LAYOUT_VERSION, torch.__version__, train.device.type, torch.get_num_threads(), embedding.digest()]
    groups = [group.model_dump() for group in (config.data, config.features, config.augmentation)]
    clips = [[(clip.label, clip.digest) for clip in feed.array.clips] for feed in (train, val)]
    text = json.dumps([made_by, config.training.seed, groups, clips])
    return f"embeddings-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _computed(train: Feed, val: Feed, plan: list[Windows]) -> Iterator[Tensor]:
    """Features [n, 96, 16] of all windows of the plan, in its order."""
    *rounds, candidates, validation = plan
    for number, windows in enumerate(rounds, start=1):
        for batch in range(-(-len(windows) // BATCH)):
            part = windows.take(slice(batch * BATCH, (batch + 1) * BATCH))
            yield training_draw(train, part, number, batch).features
    yield from plain_batches(train, candidates, BATCH)
    yield from plain_batches(val, validation, BATCH)


def _write(train: Feed, val: Feed, plan: list[Windows], folder: Path, report: Report) -> None:
    """Compute into `folder`; the index is written last, so an array without one is no array."""
    total, done = sum(map(len, plan)), 0
    path = folder / "features.f16"
    with open(path, "wb", buffering=0) as out, torch.inference_mode():
        for features in _computed(train, val, plan):
            with durable.naming(path):
                durable.write_all(out.fileno(), features.cpu().numpy().astype(np.float16).tobytes())
            done += len(features)
            report(done, total, "Computing speech embeddings")
    durable.replace_json(folder / "index.json", {"windows": done})


def _open(plan: list[Windows], folder: Path) -> Kept:
    """Each part of the plan knows its rows of the one array."""
    count = sum(map(len, plan))
    shape = (count, EMBEDDING_NUMBERS, EMBEDDING_STEPS)
    features = np.memmap(folder / "features.f16", np.float16, "r", shape=shape)
    parts, first = [], 0
    for windows in plan:
        rows = np.arange(first, first + len(windows))
        parts.append(KeptWindows(windows.clip, windows.start, windows.positive, rows, features))
        first += len(windows)
    return Kept(tuple(parts[:-2]), parts[-2], parts[-1])


def prepare(arrays: Path, train: Feed, val: Feed, report: Report) -> Kept:
    """The embeddings of this training, computed now or found in the cache. Raises FileNotFoundError, OSError."""
    plan, folder, began = _plan(train, val), arrays / _key(train, val), time.monotonic()
    if cache.ensure(folder, (folder / "index.json").exists, lambda part: _write(train, val, plan, part, report)):
        say(f"Speech embeddings of {sum(map(len, plan)):,} windows computed in {time.monotonic() - began:.0f} s.")
        cache.prune(arrays)
    else:
        say("Reusing the speech embeddings of an earlier training with the same windows.")
    return _open(plan, folder)


def keep(arrays: Path, train: Feed, val: Feed, report: Report) -> tuple[Feed, Windows]:
    """The training feed and the validation windows of a training, with kept features where the features want it."""
    if train.config.features.kind != "speech_embedding":
        return train, validation_windows(val.array, val.config)
    kept = prepare(arrays, train, val, report)
    return replace(train, kept=kept), kept.validation
