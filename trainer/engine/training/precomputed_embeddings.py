"""Speech embeddings computed once per training: several augmented rounds, mining candidates and validation windows."""

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
from trainer.engine.data.batches import Feed, augment_batch, plain_batches
from trainer.engine.data.windows import Precomputed, PrecomputedWindows, Windows, epoch_windows, validation_windows
from trainer.engine.features import embedding
from trainer.engine.training import mining
from trainer.system import cache, durable
from trainer.system.job import Report
from trainer.system.log_lines import say

LAYOUT_VERSION = 1
"""Raise it when windows are cut or augmented differently, so that old arrays are not reused."""
BATCH = 64
"""Windows that are augmented together. Not the training's batch size, which may change without a new array."""


def _plan(train: Feed, val: Feed) -> list[Windows]:
    """The windows of each round, then mining candidates (empty when mining is off), then validation windows."""
    array, config = train.array, train.config
    rounds = [epoch_windows(array, config, number + 1) for number in range(config.features.embedding_rounds)]
    candidates = mining.candidates(array, config)
    mined = candidates if config.data.mined_share else candidates.take(slice(0, 0))
    return [*rounds, mined, validation_windows(val.array, config)]


def _key(train: Feed, val: Feed) -> str:
    """The cache key of an array: a digest of its inputs and of what the bits of its values depend on."""
    config = train.config
    computed_by = [LAYOUT_VERSION, torch.__version__, train.device.type, torch.get_num_threads(), embedding.digest()]
    groups = [group.model_dump() for group in (config.data, config.features, config.augmentation)]
    clips = [[(clip.label, clip.digest) for clip in feed.array.clips] for feed in (train, val)]
    text = json.dumps([computed_by, config.training.seed, groups, clips])
    return f"embeddings-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _compute(train: Feed, val: Feed, plan: list[Windows]) -> Iterator[Tensor]:
    """Features [n, 96, 16] of all windows of the plan, in its order."""
    *rounds, candidates, validation = plan
    for number, windows in enumerate(rounds, start=1):
        for batch in range(-(-len(windows) // BATCH)):
            part = windows.take(slice(batch * BATCH, (batch + 1) * BATCH))
            yield augment_batch(train, part, number, batch).features
    yield from plain_batches(train, candidates, BATCH)
    yield from plain_batches(val, validation, BATCH)


def _write(train: Feed, val: Feed, plan: list[Windows], folder: Path, report: Report) -> None:
    """Compute into `folder`; the index is written last and marks the array as complete."""
    total, done = sum(map(len, plan)), 0
    path = folder / "features.f16"
    with open(path, "wb", buffering=0) as out, torch.inference_mode():
        for features in _compute(train, val, plan):
            with durable.naming(path):
                durable.write_all(out.fileno(), features.cpu().numpy().astype(np.float16).tobytes())
            done += len(features)
            report(done, total, "Computing speech embeddings")
    durable.replace_json(folder / "index.json", {"windows": done})


def _open(plan: list[Windows], folder: Path) -> Precomputed:
    """The windows of the plan with their rows of the array."""
    count = sum(map(len, plan))
    shape = (count, EMBEDDING_NUMBERS, EMBEDDING_STEPS)
    features = np.memmap(folder / "features.f16", np.float16, "r", shape=shape)
    parts, first = [], 0
    for windows in plan:
        rows = np.arange(first, first + len(windows))
        parts.append(PrecomputedWindows(windows.clip, windows.start, windows.positive, rows, features))
        first += len(windows)
    return Precomputed(tuple(parts[:-2]), parts[-2], parts[-1])


def prepare(arrays: Path, train: Feed, val: Feed, report: Report) -> Precomputed:
    """The embeddings of this training, computed or read from the cache. Raises FileNotFoundError, OSError."""
    plan, folder, began = _plan(train, val), arrays / _key(train, val), time.monotonic()
    if cache.ensure(folder, (folder / "index.json").exists, lambda part: _write(train, val, plan, part, report)):
        say(f"Speech embeddings of {sum(map(len, plan)):,} windows computed in {time.monotonic() - began:.0f} s.")
        cache.prune(arrays)
    else:
        say("Reusing the speech embeddings of an earlier training with the same windows.")
    return _open(plan, folder)


def attach(arrays: Path, train: Feed, val: Feed, report: Report) -> tuple[Feed, Windows]:
    """The training feed and validation windows, with precomputed features for speech embeddings."""
    if train.config.features.kind != "speech_embedding":
        return train, validation_windows(val.array, val.config)
    precomputed = prepare(arrays, train, val, report)
    return replace(train, precomputed=precomputed), precomputed.validation
