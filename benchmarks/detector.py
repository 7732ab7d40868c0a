"""Parity, int8, size, speed and memory of every exported model, after a short training on real recordings.

python -m benchmarks.detector WORKSPACE [--seconds 60] [--only gru,dense]

WORKSPACE contains scanned and split clips. Every model is trained eight times on 512 windows. On 512 windows of the
validation split: parity, difference of the int8 model, and misses at the threshold that 1 % of the negatives reach, for
each model. Speed is measured on one core in processor time, for a file (`x real time`) and live (milliseconds per hop).
Memory is the growth of the process. Each model is measured in processes of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from onnx import ModelProto
from torch import nn

from tests.detectors import RATE, write
from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import EMBEDDING_MODELS, Config
from trainer.detector import detector, onnx_file
from trainer.detector.detector_file import INT8_MODEL
from trainer.engine.data import clips
from trainer.engine.data.batches import Feed, open_feed
from trainer.engine.data.windows import epoch_windows, validation_windows
from trainer.engine.export import graphs, parity
from trainer.engine.export.parity import Trained
from trainer.engine.models import factory
from trainer.estimates import model_size
from trainer.run.runs import Run
from trainer.system.workspace import Workspace

KINDS = ("mfcc", "pcen")
LEARNED, PASSES, BATCH, COMPARED = 512, 8, 32, 512


def configs() -> list[Config]:
    """Every model on log-mel, the other features with the default model, and the heads on the speech embedding."""
    pairs = [(name, "log_mel") for name in model_size.MODELS] + [("tc_resnet", kind) for kind in KINDS]
    pairs += [(name, "speech_embedding") for name in EMBEDDING_MODELS]
    return [
        config_file.build(
            {
                "model": {"name": name},
                "features": {"kind": kind},
                "data": {"window_seconds": 2.0 if kind == "speech_embedding" else 1.5},
            }
        )
        for name, kind in pairs
    ]


def ignore(*_: object) -> None:
    """Report no progress."""


def feeds(workspace: Workspace, config: Config) -> list[Feed]:
    """The clips of the training and of the validation split."""
    splits = manifest.read_splits(workspace)
    array = clips.prepare(workspace, [*splits["train"], *splits["val"]], ignore)
    parts = (array.of_split(frozenset(clip.path for clip in splits[part])) for part in ("train", "val"))
    return [open_feed(part, config, torch.device("cpu"), augmented=False) for part in parts]


def trained(workspace: Workspace, config: Config) -> Trained:
    """A model after a short training."""
    torch.manual_seed(0)
    train, val = feeds(workspace, config)
    network = factory.build(config)
    windows = parity.evenly_spaced(epoch_windows(train.array, config, 1), LEARNED)
    with torch.inference_mode():
        features = torch.cat([train.front_end(torch.from_numpy(wave)) for wave in parity.waves(train, windows)])
    features, label = features.clone(), torch.from_numpy(windows.positive).float()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    for order in [torch.randperm(len(label)) for _ in range(PASSES)]:
        for part in order.split(BATCH):
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(network(features[part]), label[part])
            torch.autograd.backward(loss)
            optimizer.step()
    return Trained(Run(workspace.runs / "none"), config, "", network.eval(), train, val)


def misses(positive: np.ndarray, scores: np.ndarray) -> float:
    """Share of the positives below the threshold that 1 % of the negatives reach."""
    return float(np.mean(scores[positive] <= np.quantile(scores[~positive], 0.99)))


def export_models(root: Path, config: Config, folder: Path) -> list[str]:
    """Write the models; returns their columns of the table."""
    trained_model = trained(Workspace(root), config)
    write(folder, config, trained_model.network)
    graph: ModelProto = graphs.detector_graph(config, trained_model.network)
    calibration = parity.evenly_spaced(epoch_windows(trained_model.train.array, config, 1), graphs.CALIBRATION_WINDOWS)
    small = graphs.quantize(graph, parity.waves(trained_model.train, calibration))
    windows = parity.evenly_spaced(validation_windows(trained_model.val.array, config), COMPARED)
    exact = parity.score_exported(graph, trained_model, windows, ignore)
    rounded = parity.score_exported(small, trained_model, windows, ignore)
    difference = np.abs(parity.score_trained(trained_model, windows, ignore) - exact)
    error = np.abs(rounded - exact)
    (folder / INT8_MODEL).write_bytes(small.SerializeToString())
    return [
        f"{difference.max():.0e}", f"{error.max():.3f}", f"{error.mean():.4f}",
        *(f"{100 * misses(windows.positive, scores):.1f}" for scores in (exact, rounded)),
        f"{graph.ByteSize() / 1e6:.2f}", f"{small.ByteSize() / 1e6:.2f}",
    ]  # fmt: skip


def measure_speed(root: Path, folder: Path, seconds: float) -> list[str]:
    """Score a wave as a file, with the float32 and the int8 model, and live; returns columns of the table."""
    splits, process = manifest.read_splits(Workspace(root)), psutil.Process()
    array = clips.prepare(Workspace(root), splits["val"], ignore)
    wave = (np.resize(array.samples, round(seconds * RATE)) / np.float32(32768)).astype(np.float32)
    before = process.memory_info().rss
    loaded = detector.load(folder, threads=1)
    took = timed(loaded, wave)
    stream, hop = loaded.stream(), loaded.hop_samples
    stream.push(wave[: 10 * hop])
    live = []
    for first in range(10 * hop, min(len(wave), 20 * RATE), hop):
        start = time.process_time()
        stream.push(wave[first : first + hop])
        live.append(time.process_time() - start)
    grown = (process.memory_info().rss - before) / 1e6
    small = detector.of_graph(loaded.file, onnx_file.parsed((folder / INT8_MODEL).read_bytes(), folder), threads=1)
    return [
        f"{seconds / took:.0f}",
        f"{seconds / timed(small, wave):.0f}",
        f"{1000 * np.median(live):.1f}",
        f"{grown:.0f}",
    ]


def timed(loaded: detector.Detector, wave: np.ndarray) -> float:
    """Processor seconds to score a wave, after a warm-up."""
    loaded.scores(wave[: 5 * RATE])
    start = time.process_time()
    loaded.scores(wave)
    return time.process_time() - start


COLUMNS = (
    "model", "features", "parity", "int8 most", "int8 mean", "misses %", "int8 misses %", "MB", "int8 MB",
    "x real time", "int8 x real time", "live ms/hop", "MB grown",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default="", help="models, by name")
    arguments = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    spawn = multiprocessing.get_context("spawn")
    for config in configs():
        if arguments.only and config.model.name not in arguments.only.split(","):
            continue
        with tempfile.TemporaryDirectory() as folder, spawn.Pool(1) as export_pool, spawn.Pool(1) as speed_pool:
            accuracy = export_pool.apply(export_models, (arguments.workspace, config, Path(folder)))
            speed = speed_pool.apply(measure_speed, (arguments.workspace, Path(folder), arguments.seconds))
        print("| " + " | ".join([config.model.name, config.features.kind, *accuracy, *speed]) + " |", flush=True)


if __name__ == "__main__":
    main()
