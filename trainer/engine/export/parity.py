"""Opens a trained model with its clips, and compares exported models with it on windows and in the stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import nn

from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.detector import detector, detector_file
from trainer.detector.detector import Detector
from trainer.detector.detector_file import LARGEST_DIFFERENCE, DetectorFile, Int8, Parity, Rates
from trainer.detector.stream_scores import Point
from trainer.engine.data import clips
from trainer.engine.data.batches import Feed, open_feed
from trainer.engine.data.windows import Windows, window_samples
from trainer.engine.models import factory
from trainer.engine.training import validation
from trainer.engine.training.checkpoints import load_into
from trainer.evaluation import clip_rates
from trainer.run.runs import Run
from trainer.streams import stream_set
from trainer.streams.composition import Composed
from trainer.streams.stream_set import ScoredStream
from trainer.system import limits


@dataclass(frozen=True)
class Trained:
    """A model of a run with its training and validation clips."""

    run: Run
    config: Config
    checkpoint: str
    network: nn.Module
    train: Feed
    val: Feed


def open_run(run: Run, checkpoint: str, report: Callable[[int, int, str], None]) -> Trained:
    """Load a model of a run and its clips. Raises ValueError, FileNotFoundError, OSError."""
    config, workspace = config_file.load(run.config_file), run.workspace
    network = factory.build(config)
    load_into(network, run.checkpoints, checkpoint)
    splits = manifest.read_splits(workspace)
    array = clips.prepare(workspace, [*splits["train"], *splits["val"]], report)
    train, val = (
        open_feed(
            array.of_split(frozenset(clip.path for clip in splits[part])), config, torch.device("cpu"), augmented=False
        )
        for part in ("train", "val")
    )
    return Trained(run, config, checkpoint, network.eval(), train, val)


BATCH = 32
Heartbeat = Callable[[], None]
Scores = NDArray[np.float32]


def evenly_spaced(windows: Windows, most: int) -> Windows:
    """At most this many windows, evenly spaced."""
    return windows.take(np.linspace(0, len(windows) - 1, min(len(windows), most)).astype(np.int64))


def waves(feed: Feed, windows: Windows) -> Iterator[NDArray[np.float32]]:
    """The waves [n, samples] of windows in batches."""
    for first in range(0, len(windows), BATCH):
        part = windows.take(slice(first, first + BATCH))
        yield feed.windows(part, window_samples(feed.config)).numpy()


@torch.inference_mode()
def score_trained(trained: Trained, windows: Windows, heartbeat: Heartbeat) -> Scores:
    """Probabilities [n] of validation windows by the trained model."""
    scores = []
    for wave in waves(trained.val, windows):
        scores.append(trained.network(trained.val.front_end(torch.from_numpy(wave))).sigmoid().numpy())
        heartbeat()
    return np.concatenate(scores)


def score_exported(model: ModelProto, trained: Trained, windows: Windows, heartbeat: Heartbeat) -> Scores:
    """Probabilities [n] of validation windows by an exported model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = limits.threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    scores = []
    for wave in waves(trained.val, windows):
        scores.append(session.run(None, {detector_file.WAVEFORM: wave})[0])
        heartbeat()
    return np.concatenate(scores)


def compare(before: Scores, after: Scores) -> Parity:
    largest = float(np.abs(before - after).max())
    return Parity(largest_difference=largest, windows=len(before), within=largest <= LARGEST_DIFFERENCE)


def stream_points(
    models: tuple[ModelProto, ModelProto], file: DetectorFile, trained: Trained, heartbeat: Heartbeat
) -> tuple[Point | None, Point | None]:
    """The operating points of exported models in the validation stream, at the run's false accepts per hour."""
    streams, per_hour = (
        list(validation.compose_stream(trained.val.array, heartbeat)),
        trained.config.training.false_accepts_per_hour,
    )
    listeners = (detector.of_graph(file, model) for model in models)
    first, second = (
        stream_set.operating_point([_score_recording(listener, each, heartbeat) for each in streams], per_hour)
        for listener in listeners
    )
    return first, second


def _score_recording(listener: Detector, composed: Composed, heartbeat: Heartbeat) -> ScoredStream:
    heartbeat()
    raw = listener.scores(np.clip(composed.wave, -1, 1))[1]
    return validation.smoothed(composed.recording, raw, listener.file.hop_seconds)


def _rates(positive: NDArray[np.bool_], probability: Scores) -> Rates:
    rates = clip_rates.rates(positive, probability)
    return Rates(accuracy=rates.accuracy, fpr=rates.fpr, fnr=rates.fnr)


def int8_cost(
    scores: tuple[Scores, Scores],
    positive: NDArray[np.bool_],
    sizes: tuple[int, int],
    points: tuple[Point | None, Point | None],
) -> Int8:
    """The cost of quantization: each argument holds the value of the float32 model and that of the 8-bit model, as
    probabilities [n] of the same windows, bytes, and operating points in the validation stream."""
    difference = np.abs(scores[0] - scores[1])
    return Int8(
        largest_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        float32=_rates(positive, scores[0]),
        int8=_rates(positive, scores[1]),
        bytes=sizes[1],
        float32_bytes=sizes[0],
        float32_stream=points[0],
        int8_stream=points[1],
    )
