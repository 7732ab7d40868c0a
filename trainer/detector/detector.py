"""A detector: an exported model with window, hop, smoothing, threshold and refractory time; onnxruntime, no torch.

The same code evaluates, listens, and is what users deploy. The graph of a model is cut at the columns of its features,
so that a stream computes each column once and not again for every window.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from trainer.audio import audio_file
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.detector import onnx_file, stream_scores
from trainer.detector.detector_file import COLUMNS, PROBABILITY, WAVEFORM, DetectorFile
from trainer.system import limited_process, limits

PIECE_HOPS = 128
"""Hops whose columns are computed together, at most."""
HEAD_WINDOWS = 16
"""Windows that are scored together, at most, so that activations fit the cache of a CPU."""
FULL_SCALE = 32768.0
SHARE_HOPS = 101
"""Hops over which the processor time of listening is measured."""
AFTER_SECONDS = 0.5
"""Silence appended to a recording, at least: it may end with the word, and a detector fires shortly after one. An
evaluation, which counts detections, appends none."""
REFUSALS = (
    ort_errors.Fail,
    ort_errors.InvalidGraph,
    ort_errors.InvalidArgument,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""Errors that onnxruntime raises for a graph that it cannot run."""

Wave = NDArray[np.float32]
Scores = NDArray[np.float32]
Piece = NDArray[np.floating] | NDArray[np.int16]
"""Samples at 16 kHz: float in -1..1, or int16."""


class Detection(NamedTuple):
    """The detector fires: `time` in seconds from the start of the audio, `score` the smoothed probability."""

    time: float
    score: float


@dataclass(frozen=True)
class Detector:
    """A loaded model: `front` makes columns of a wave, `head` probabilities of windows of columns."""

    file: DetectorFile
    front: onnxruntime.InferenceSession
    head: onnxruntime.InferenceSession
    front_sha256: str

    @property
    def front_end(self) -> tuple[object, ...]:
        """What decides on the columns of a stream: detectors of which it is equal can share them."""
        return self.front_sha256, self.file.columns, self.window_samples, self.hop_samples

    @property
    def window_samples(self) -> int:
        return round(self.file.window_seconds * SAMPLE_RATE)

    @property
    def hop_samples(self) -> int:
        return round(self.file.hop_seconds * SAMPLE_RATE)

    @property
    def hops_after(self) -> int:
        """Hops of the silence appended to a recording."""
        return math.ceil(AFTER_SECONDS / self.file.hop_seconds)

    def stream(self, others: Sequence[Detector] = ()) -> Stream:
        """A stream from its start, before which there is silence. `others`, of the same front end, hear it too."""
        lead = self.samples_due(self.file.columns.per_window) - self.window_samples
        silence = self.window_samples - self.hop_samples + max(0, lead)
        return Stream([self, *others], np.zeros(silence, np.float32))

    def scores(self, wave: Wave) -> tuple[NDArray[np.float64], Scores]:
        """Ends [n] in seconds of the windows of a wave [samples] at 16 kHz, one per hop, and the probability [n] of
        the word in each. Before the wave there is silence."""
        probability = self.stream().push(wave)
        return self.times(len(probability)), probability

    def columns_due(self, hops: int, first: bool) -> int:
        """Number of columns that the next hops need; the first hop of a stream needs those of its whole window."""
        per_hop = self.hop_samples // self.file.columns.step_samples
        return hops * per_hop + (self.file.columns.per_window - per_hop if first else 0)

    def samples_due(self, columns: int) -> int:
        """Number of samples from which this many columns are computed."""
        return (columns - 1) * self.file.columns.step_samples + self.file.columns.context_samples

    def times(self, count: int) -> NDArray[np.float64]:
        return np.arange(1, count + 1, dtype=np.float64) * np.float64(self.file.hop_seconds)

    def detections(self, probability: Scores, threshold: float | None = None) -> list[Detection]:
        """Detections in the probabilities [n] of a stream from its start."""
        return Trigger(self.file, self.file.threshold if threshold is None else threshold).push(probability)


class ModelFailed(ValueError):
    """A loaded model fails on some audio; `reason` is the predicate of a sentence about the model."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The model {reason} on this audio. {onnx_file.EXPORT_AGAIN}")
        self.reason = reason


def _run(session: onnxruntime.InferenceSession, output: str, inputs: dict[str, Wave]) -> Scores:
    """One output of a graph. Raises ModelFailed."""
    try:
        return np.asarray(session.run([output], inputs)[0])
    except (MemoryError, *REFUSALS) as error:
        raise ModelFailed(limited_process.describe_model_error(error)) from None


def _probability(head: onnxruntime.InferenceSession, windows: NDArray[np.float32]) -> Scores:
    """Probabilities of windows [n, rows, columns]. Raises ModelFailed."""
    scores = _run(head, PROBABILITY, {COLUMNS: np.ascontiguousarray(windows.transpose(0, 2, 1))})
    if scores.shape != (len(windows),) or not ((scores >= 0) & (scores <= 1)).all():
        raise ModelFailed("returns no probability")
    return scores


@dataclass
class Stream:
    """The state of detectors that share a front end between two pieces of audio."""

    detectors: Sequence[Detector]
    wave: Wave
    """Samples from the first one that the next column needs."""
    columns: NDArray[np.float32] | None = None
    """Columns that the next window shares with the last one."""
    samples: int = 0
    """Samples pushed so far."""
    hops: int = 0
    """Windows scored so far."""

    @property
    def detector(self) -> Detector:
        """The first of them."""
        return self.detectors[0]

    def push(self, samples: Piece) -> Scores:
        """Probabilities [n] of the first detector for the windows that end in these samples. Raises ModelFailed."""
        first: Scores = self.push_all(samples)[0]
        return first

    def push_all(self, samples: Piece) -> Scores:
        """Probabilities [detectors, n] of the windows that end in these samples. Raises ModelFailed."""
        wave = samples / np.float32(FULL_SCALE) if samples.dtype == np.int16 else np.clip(samples, -1, 1)
        self.wave = np.concatenate([self.wave, wave.astype(np.float32, copy=False)])
        self.samples += len(samples)
        scores = [np.empty((len(self.detectors), 0), np.float32)]
        while due := self.samples // self.detector.hop_samples - self.hops:
            scores.append(self._score(min(due, PIECE_HOPS)))
        return np.concatenate(scores, axis=1)

    def _score(self, hops: int) -> Scores:
        """Probabilities [detectors, hops] of the windows that end with the next `hops` hops."""
        layout = self.detector.file.columns
        hop_columns = self.detector.hop_samples // layout.step_samples
        new = self.detector.columns_due(hops, first=self.columns is None)
        piece = self.wave[None, : self.detector.samples_due(new)]
        columns = _run(self.detector.front, COLUMNS, {WAVEFORM: piece})[0, layout.dropped :]
        if self.columns is not None:
            columns = np.concatenate([self.columns, columns])
        windows = np.lib.stride_tricks.sliding_window_view(columns, layout.per_window, axis=0)[::hop_columns]
        parts = [windows[first : first + HEAD_WINDOWS] for first in range(0, hops, HEAD_WINDOWS)]
        scores = [[_probability(detector.head, part) for part in parts] for detector in self.detectors]
        self.wave = self.wave[new * layout.step_samples :]
        self.columns = columns[hops * hop_columns :]
        self.hops += hops
        return np.stack([np.concatenate(each) for each in scores])


@dataclass
class Smoother:
    """Smooths the probabilities of a stream as they come."""

    file: DetectorFile
    recent: Scores = field(default_factory=lambda: np.empty(0, np.float32))
    """The last probabilities, which the next averages include."""

    def push(self, probability: Scores) -> NDArray[np.float64]:
        """The smoothed values of the next probabilities [n]."""
        hop, seconds = self.file.hop_seconds, self.file.smoothing_seconds
        recent = np.concatenate([self.recent, probability])
        smooth = stream_scores.smooth(recent, hop, seconds)[len(self.recent) :]
        self.recent = recent[max(0, len(recent) - stream_scores.smoothing_hops(hop, seconds) + 1) :]
        return smooth


@dataclass
class Trigger:
    """Turns the probabilities of a stream into detections as they come."""

    file: DetectorFile
    threshold: float
    hops: int = 0
    silent: int = 0
    """Hops of the refractory time that are left."""
    smoother: Smoother = field(init=False)

    def __post_init__(self) -> None:
        self.smoother = Smoother(self.file)

    def push(self, probability: Scores) -> list[Detection]:
        """Detections in the next probabilities [n]."""
        hop = self.file.hop_seconds
        refractory = stream_scores.refractory_hops(hop, self.file.refractory_seconds)
        smooth = self.smoother.push(probability)
        firing = stream_scores.firing_hops(smooth, self.threshold, refractory, self.silent)
        detections = [Detection((self.hops + index + 1) * hop, float(smooth[index])) for index in firing]
        self.hops += len(probability)
        self.silent = max(0, (firing[-1] + refractory if firing else self.silent) - len(probability))
        return detections


def listen(detector: Detector, pieces: Iterable[Piece]) -> Iterator[Detection]:
    """Detections in pieces of audio at 16 kHz, as they come."""
    stream, trigger = detector.stream(), Trigger(detector.file, detector.file.threshold)
    for samples in pieces:
        yield from trigger.push(stream.push(samples))


def scores_of_file(detector: Detector, path: Path, hops_after: int = 0) -> Scores:
    """Probabilities [n] of a recording of any length, one per hop, followed by `hops_after` hops of silence.

    Raises AudioRefused, FileNotFoundError, ModelFailed.
    """
    return scores_of_pieces(detector, audio_file.pieces_16k(path), hops_after)


def scores_of_pieces(detector: Detector, pieces: Iterable[Piece], hops_after: int = 0) -> Scores:
    """Probabilities [n] of consecutive pieces of audio at 16 kHz, followed by `hops_after` hops of silence. Raises
    ModelFailed."""
    stream, silence = detector.stream(), np.zeros(hops_after * detector.hop_samples, np.float32)
    return np.concatenate([stream.push(piece) for piece in chain(pieces, [silence])])


def core_share(detector: Detector, others: Sequence[Detector] = ()) -> float:
    """Processor time of listening live, hop by hop, as a share of real time. `others` of the same front end listen
    too. Load detectors with one thread: several wait for each other, which counts as processor time. Raises
    ModelFailed."""
    noise, hop = np.random.default_rng(0).integers(-1000, 1000, SHARE_HOPS * detector.hop_samples), detector.hop_samples
    stream = detector.stream(others)
    stream.push_all(noise[:hop].astype(np.int16))  # the first hop computes the columns of a whole window
    start = time.process_time()
    for first in range(hop, len(noise), hop):
        stream.push_all(noise[first : first + hop].astype(np.int16))
    return (time.process_time() - start) / ((SHARE_HOPS - 1) * detector.file.hop_seconds)


def of_graph(file: DetectorFile, model: ModelProto, threads: int = 0) -> Detector:
    """The detector of a model that has passed its trial."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or limits.threads()
    options.log_severity_level = 4  # errors are raised, not printed
    parts = onnx_file.parts(model)
    front, head = (onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"]) for part in parts)
    return Detector(file, front, head, hashlib.sha256(parts[0]).hexdigest())


def load(path: Path, threads: int = 0) -> Detector:
    """The detector in a model folder or of an `.onnx` file in one; `threads` 0 uses all cores.

    Raises FileNotFoundError, OSError, or ValueError for a file that is no detector, is corrupt or fails its trial.
    """
    file, model = onnx_file.read(path)
    try:
        return of_graph(file, model, threads)
    except (MemoryError, *REFUSALS) as error:  # it could be loaded a moment ago, in another process
        reason = str(error).splitlines()[0][:200] if str(error) else "there is too little memory"
        raise ValueError(f"The model in {path} cannot be loaded ({reason}). Free some memory and try again.") from None
