"""Parity, eight bits, size, speed and memory of every model as exported, after a few steps on made-up sounds.

python -m tests.measure_detector [--seconds 60]

Speed is that of one core, in time of the processor, so that other work on the machine does not count: of a file
(`x real time`), and live, a hop at a time (milliseconds a hop). Memory is what the process has grown by. Each model is
measured in processes of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import psutil
import torch

from tests.detectors import RATE, network_of, sounds, write
from trainer import config_file, detector, model_size
from trainer.config import EMBEDDING_MODELS, Config
from trainer.detector_file import WAVEFORM
from trainer.engine import int8
from trainer.engine.features import front_end

KINDS = ("mfcc", "pcen")


def configs() -> list[Config]:
    """Every model on log-mel, the other features with the usual model, and the heads on the speech embedding."""
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


def exported_scores(data: bytes, wave: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {WAVEFORM: part})[0] for part in np.split(wave, len(wave) // 8)])


def make(config: Config, folder: Path) -> list[str]:
    """Write the model; its columns of the table."""
    network, size = network_of(config), round(config.data.window_seconds * RATE)
    write(folder, config, network)
    wave = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(sounds(30.0), size)[::1700][:256])
    with torch.inference_mode():
        trained = network(front_end(config.features)(torch.from_numpy(wave))).sigmoid().numpy()
    data = (folder / "model.onnx").read_bytes()
    exported = exported_scores(data, wave)
    small = int8.rounded(data, iter(np.split(wave, 32)))
    rounded = np.abs(exported_scores(small, wave) - exported)
    return [
        f"{np.abs(trained - exported).max():.0e}", f"{rounded.max():.3f}", f"{rounded.mean():.3f}",
        f"{len(data) / 1e6:.2f}", f"{len(small) / 1e6:.2f}",
    ]  # fmt: skip


def hear(folder: Path, seconds: float) -> list[str]:
    """Hear a wave as a file and live; columns of the table."""
    process, wave = psutil.Process(), sounds(seconds)
    before = process.memory_info().rss
    loaded = detector.load(folder, threads=1)
    loaded.scores(wave[: 5 * RATE])
    began = time.process_time()
    loaded.scores(wave)
    took = time.process_time() - began
    stream, hop = loaded.stream(), loaded.hop_samples
    stream.push(wave[: 10 * hop])
    live = []
    for first in range(10 * hop, min(len(wave), 20 * RATE), hop):
        began = time.process_time()
        stream.push(wave[first : first + hop])
        live.append(time.process_time() - began)
    grown = (process.memory_info().rss - before) / 1e6
    return [f"{seconds / took:.0f}", f"{1000 * np.median(live):.1f}", f"{grown:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    print("| model | features | parity | int8 most | int8 mean | MB | int8 MB | x real time | live ms/hop | MB grown |")
    print("|" + " --- |" * 10)
    spawn = multiprocessing.get_context("spawn")
    for config in configs():
        with tempfile.TemporaryDirectory() as folder, spawn.Pool(1) as making, spawn.Pool(1) as hearing:
            made = making.apply(make, (config, Path(folder)))
            heard = hearing.apply(hear, (Path(folder), seconds))
        print("| " + " | ".join([config.model.name, config.features.kind, *made, *heard]) + " |", flush=True)


if __name__ == "__main__":
    main()
