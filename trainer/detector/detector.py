"""A detector: an exported model with window, hop, smoothing, threshold and refractory time; onnxruntime, no torch.

The same code evaluates, listens, and is what users deploy. The graph of a model is cut at the columns of its features,
so that a stream computes each column once and not again for every window.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
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
"""Most hops of a long wave whose columns are computed together."""
HEAD_WINDOWS = 16
"""Most windows that are scored together: what lies between two layers then fits the cache of a CPU."""
FULL_SCALE = 32768.0
AFTER_SECONDS = 0.5
"""Of silence, at least, after a recording in which words are looked for: it may end with its word, and a detector
decides shortly after one. Where detections are counted, a recording is heard as it is and no longer."""
REFUSALS = (
    ort_errors.Fail,
    ort_errors.InvalidGraph,
    ort_errors.InvalidArgument,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""Errors of onnxruntime for a graph that it cannot run."""

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

    @property
    def window_samples(self) -> int:
        return round(self.file.window_seconds * SAMPLE_RATE)

    @property
    def hop_samples(self) -> int:
        return round(self.file.hop_seconds * SAMPLE_RATE)

    @property
    def hops_after(self) -> int:
        """Of the silence after a recording."""
        return math.ceil(AFTER_SECONDS / self.file.hop_seconds)

    def stream(self) -> Stream:
        """Begin to listen."""
        facts = self.file.columns
        lead = (facts.per_window - 1) * facts.step_samples + facts.context_samples - self.window_samples
        silence = self.window_samples - self.hop_samples + max(0, lead)
        return Stream(self, np.zeros(silence, np.float32))

    def scores(self, wave: Wave) -> tuple[NDArray[np.float64], Scores]:
        """Times [n] in seconds at which windows of a wave [samples] at 16 kHz end, one each hop, and the probability
        [n] of the word in each. Before the wave there is silence."""
        found = self.stream().push(wave)
        return self.times(len(found)), found

    def columns_due(self, hops: int, first: bool) -> int:
        """How many columns the next hops need; the first hop of a stream needs those of its whole window."""
        per_hop = self.hop_samples // self.file.columns.step_samples
        return hops * per_hop + (self.file.columns.per_window - per_hop if first else 0)

    def samples_due(self, columns: int) -> int:
        """How many samples the next columns are computed from."""
        return (columns - 1) * self.file.columns.step_samples + self.file.columns.context_samples

    def times(self, count: int) -> NDArray[np.float64]:
        return np.arange(1, count + 1, dtype=np.float64) * np.float64(self.file.hop_seconds)

    def detections(self, probability: Scores, threshold: float | None = None) -> list[Detection]:
        """What is detected in the probabilities [n] of a stream from its start."""
        return Trigger(self.file, self.file.threshold if threshold is None else threshold).hear(probability)


class ModelFailed(ValueError):
    """A loaded model fails on a sound; `why` follows its name in a sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The model {why} on this sound. {onnx_file.AGAIN}")
        self.why = why


def _run(session: onnxruntime.InferenceSession, wanted: str, given: dict[str, Wave]) -> Scores:
    """One result of a graph. Raises ModelFailed."""
    try:
        return np.asarray(session.run([wanted], given)[0])
    except (MemoryError, *REFUSALS) as error:
        raise ModelFailed(limited_process.describe_model_error(error)) from None


@dataclass
class Stream:
    """What a detector remembers of the audio that it heard."""

    detector: Detector
    wave: Wave
    """Samples from the first one on that the next column needs."""
    columns: NDArray[np.float32] | None = None
    """The last columns, which the next window begins with."""
    heard: int = 0
    """Samples that were pushed."""
    hops: int = 0
    """Windows that were scored."""

    def push(self, samples: Piece) -> Scores:
        """The probabilities [n] of the windows that end in these samples. Raises ModelFailed."""
        wave = samples / np.float32(FULL_SCALE) if samples.dtype == np.int16 else np.clip(samples, -1, 1)
        self.wave = np.concatenate([self.wave, wave.astype(np.float32, copy=False)])
        self.heard += len(samples)
        found = []
        while due := self.heard // self.detector.hop_samples - self.hops:
            found.append(self._scored(min(due, PIECE_HOPS)))
        return np.concatenate(found) if found else np.empty(0, np.float32)

    def _scored(self, hops: int) -> Scores:
        """Score the windows that end with the next `hops` hops."""
        facts = self.detector.file.columns
        hop_columns = self.detector.hop_samples // facts.step_samples
        new = self.detector.columns_due(hops, first=self.columns is None)
        piece = self.wave[None, : self.detector.samples_due(new)]
        columns = _run(self.detector.front, COLUMNS, {WAVEFORM: piece})
        known = columns[0, facts.dropped :]
        if self.columns is not None:
            known = np.concatenate([self.columns, known])
        windows = np.lib.stride_tricks.sliding_window_view(known, facts.per_window, axis=0)[::hop_columns]
        found = [self._head(windows[first : first + HEAD_WINDOWS]) for first in range(0, hops, HEAD_WINDOWS)]
        self.wave = self.wave[new * facts.step_samples :]
        self.columns = known[hops * hop_columns :]
        self.hops += hops
        return np.concatenate(found)

    def _head(self, windows: NDArray[np.float32]) -> Scores:
        """Probabilities of windows [n, rows, columns]. Raises ModelFailed."""
        found = _run(self.detector.head, PROBABILITY, {COLUMNS: np.ascontiguousarray(windows.transpose(0, 2, 1))})
        if found.shape != (len(windows),) or not ((found >= 0) & (found <= 1)).all():
            raise ModelFailed("gives no probability")
        return found


@dataclass
class Trigger:
    """What turns the probabilities of a stream into detections, as they come."""

    file: DetectorFile
    threshold: float
    recent: Scores = field(default_factory=lambda: np.empty(0, np.float32))
    """The last probabilities, which the next averages hold."""
    hops: int = 0
    silent: int = 0
    """Hops in which it may not fire yet."""

    def hear(self, probability: Scores) -> list[Detection]:
        """What is detected in the next probabilities [n]."""
        hop, averaged_seconds = self.file.hop_seconds, self.file.smoothing_seconds
        silence = stream_scores.hops_silent(hop, self.file.refractory_seconds)
        known = np.concatenate([self.recent, probability])
        smooth = stream_scores.smooth(known, hop, averaged_seconds)[len(self.recent) :]
        fired = stream_scores.fired(smooth, self.threshold, silence, self.silent)
        found = [Detection((self.hops + index + 1) * hop, float(smooth[index])) for index in fired]
        self.recent = known[max(0, len(known) - stream_scores.hops_averaged(hop, averaged_seconds) + 1) :]
        self.hops += len(probability)
        self.silent = max(0, (fired[-1] + silence if fired else self.silent) - len(probability))
        return found


def listen(detector: Detector, pieces: Iterable[Piece]) -> Iterator[Detection]:
    """Detections in pieces of audio at 16 kHz, as they come."""
    stream, trigger = detector.stream(), Trigger(detector.file, detector.file.threshold)
    for samples in pieces:
        yield from trigger.hear(stream.push(samples))


def scores_of_file(detector: Detector, path: Path, hops_after: int = 0) -> Scores:
    """Probabilities [n] of a recording of any length, one each hop, and of so many hops of silence after it; it is
    read in pieces.

    Raises AudioRefused, FileNotFoundError, ModelFailed.
    """
    return scores_of_pieces(detector, audio_file.pieces_16k(path), hops_after)


def scores_of_pieces(detector: Detector, pieces: Iterable[Piece], hops_after: int = 0) -> Scores:
    """Probabilities [n] of pieces of audio at 16 kHz that follow each other, and of so many hops of silence.
    Raises ModelFailed."""
    stream, silence = detector.stream(), np.zeros(hops_after * detector.hop_samples, np.float32)
    return np.concatenate([stream.push(piece) for piece in chain(pieces, [silence])])


def of_graph(file: DetectorFile, model: ModelProto, threads: int = 0) -> Detector:
    """The detector of a model that is known to be sound."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or limits.threads()
    options.log_severity_level = 4  # what is wrong is raised, not printed
    front, head = (
        onnxruntime.InferenceSession(part, options, providers=["CPUExecutionProvider"])
        for part in onnx_file.parts(model)
    )
    return Detector(file, front, head)


def load(path: Path, threads: int = 0) -> Detector:
    """The detector in a model folder or around its `.onnx` file; `threads` 0 takes all cores.

    Raises FileNotFoundError, OSError, or ValueError with one sentence when it is none, is damaged, or did not stand its
    trial.
    """
    file, model = onnx_file.read(path)
    try:
        return of_graph(file, model, threads)
    except (MemoryError, *REFUSALS) as error:  # it could be loaded a moment ago, in another process
        told = str(error).splitlines()[0][:200] if str(error) else "there is too little memory"
        raise ValueError(f"The model in {path} cannot be loaded ({told}). Free some memory and try again.") from None
