"""detector.json beside an exported model: how it is to be heard with, where it comes from and how well it was exported."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

NAME, MODEL, INT8_MODEL, OPENWAKEWORD_MODEL = "detector.json", "model.onnx", "model.int8.onnx", "openwakeword.onnx"
WAVEFORM, COLUMNS, PROBABILITY = "waveform", "columns", "probability"
"""Values in the graph of a model: its input, what the windows of a stream share, its output."""
LARGEST_DIFFERENCE = 1e-4
"""Between the probabilities of the trained and of the exported model."""


class ColumnFacts(BaseModel, frozen=True):
    """How the columns of features are cut from a wave: one every `step_samples`, from `context_samples` that end with
    it. A piece of wave gives `dropped` columns too many at its beginning, and a window has `per_window`."""

    step_samples: int
    context_samples: int
    dropped: int
    per_window: int


class Threshold(BaseModel, frozen=True):
    """Where the threshold comes from; of the validation stream, what it costs there."""

    source: Literal["default", "validation_stream", "evaluation"]
    false_accepts_per_hour: float | None = None
    miss_rate: float | None = None
    words: int | None = None
    false_accepts: int | None = None
    hours: float | None = None


class Parity(BaseModel, frozen=True):
    """Largest difference of the probability between the trained and the exported model, on validation windows."""

    largest_difference: float
    windows: int
    within: bool


class Rates(BaseModel, frozen=True):
    """Of the validation windows at threshold 0.5, from 0 to 1."""

    accuracy: float | None
    fpr: float | None
    fnr: float | None


class Int8(BaseModel, frozen=True):
    """What rounding the weights to eight bits costs, on the same windows as `parity`."""

    largest_difference: float
    mean_difference: float
    float32: Rates
    int8: Rates
    bytes: int
    float32_bytes: int


class DetectorFile(BaseModel, frozen=True):
    """Times in seconds unless the name says otherwise; `files` and `embedding_models` are digests (sha256) by name."""

    format: Literal[1] = 1
    run: str
    label: str
    checkpoint: str
    epoch: int
    model: str
    labels: list[str] = ["positive"]
    sample_rate: int = 16000
    window_seconds: float
    hop_ms: float
    smoothing_seconds: float
    threshold: float
    threshold_from: Threshold
    refractory_seconds: float
    columns: ColumnFacts
    files: dict[str, str]
    embedding_models: dict[str, str] = {}
    parity: Parity
    int8: Int8 | None = None
    versions: dict[str, str]

    @property
    def hop_seconds(self) -> float:
        return self.hop_ms / 1000


def path_in(folder: Path) -> Path:
    return folder / NAME
