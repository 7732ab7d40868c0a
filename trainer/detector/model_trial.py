"""The trial of an untrusted model in a process with limited memory and time, before another process loads it.

It runs the model on every possible number of windows and on the longest wave (see `onnx_file`). Standard input: a line
of JSON, {"path": ..., "file": detector.json, "seconds": limit of processor time}, then the bytes of the model. Standard
output: {"refusal": sentence or ""}.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import ModelProto

from trainer.detector import detector, detector_file, onnx_file
from trainer.detector.detector import HEAD_WINDOWS, PIECE_HOPS, REFUSALS, Detector, ModelFailed, Scores
from trainer.detector.detector_file import COLUMNS, WAVEFORM, DetectorFile
from trainer.system import limited_process

MEMORY, MEMORY_PER_BYTE = 1 << 30, 8
"""Address space in bytes, and more for each byte of the file, which is parsed, cut in two and loaded."""
SLOWEST = 10.0
"""Largest ratio of computing time to audio time; live detection is impossible far below it."""
EMBEDDING_ROWS = 96
"""Values in each column of the public speech embedding."""


def refusal(path: Path, file: DetectorFile, data: bytes) -> str:
    """Why a model is refused, as a sentence; empty when it is accepted."""
    try:
        model = onnx_file.parsed(data, path)
    except ValueError as error:
        return str(error)
    try:
        head = path.name == detector_file.OPENWAKEWORD_MODEL
        reason = _try_head(file, data) if head else _try(detector_file.of_model(file, path.name), model)
    except ModelFailed as error:
        reason = error.reason
    except (MemoryError, ValueError, *REFUSALS) as error:  # numpy raises ValueError for values of another shape
        reason = limited_process.describe_model_error(error)
    return f"The model in {path} {reason}. {onnx_file.EXPORT_AGAIN}" if reason else ""


def _try(file: DetectorFile, model: ModelProto) -> str:
    """What is wrong with the model, as the predicate of a sentence; empty when it passes."""
    loaded = detector.of_graph(file, model, threads=1)
    start = time.process_time()
    scores = _scores(loaded, range(1, HEAD_WINDOWS + 1) if onnx_file.uses_sizes(model) else (1, 2, HEAD_WINDOWS))
    took, seconds = time.process_time() - start, len(scores) * file.hop_seconds
    if took > SLOWEST * seconds:
        return f"takes {took:.1f} s to process {seconds:.1f} s of audio"
    if not np.array_equal(scores[:3], _scores(loaded, (1, 2))):
        return "returns different probabilities for the same audio"
    for first in (True, False):
        wave = np.zeros((1, loaded.samples_due(loaded.columns_due(PIECE_HOPS, first))), np.float32)
        loaded.front.run([COLUMNS], {WAVEFORM: wave})
    return ""


def _try_head(file: DetectorFile, data: bytes) -> str:
    """The same for the openWakeWord head, which only the user's other programs load."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    embeddings = np.zeros((1, file.columns.per_window, EMBEDDING_ROWS), np.float32)
    (scores,) = session.run(None, {session.get_inputs()[0].name: embeddings})
    valid = scores.shape == (1, 1) and 0 <= scores[0, 0] <= 1
    return "" if valid else "returns no probability"


def _scores(loaded: Detector, counts: Iterable[int]) -> Scores:
    """Scores of noise in batches of these numbers of windows. Raises ValueError."""
    stream, rng, batches = loaded.stream(), np.random.default_rng(0), []
    for hops in counts:
        scores = stream.push(0.1 * rng.standard_normal(hops * loaded.hop_samples, np.float32))
        if scores.shape != (hops,):
            raise ValueError(f"for {hops} windows it returns values of shape {scores.shape}")
        batches.append(scores)
    return np.concatenate(batches)


def main() -> None:
    head = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    limited_process.limit_memory(MEMORY + MEMORY_PER_BYTE * len(data))
    limited_process.limit_processor(head["seconds"])
    reason = refusal(Path(head["path"]), DetectorFile.model_validate(head["file"]), data)
    sys.stdout.write(json.dumps({"refusal": reason}) + "\n")


if __name__ == "__main__":
    main()
