"""detector.json beside an exported model: detection settings, origin and export quality."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from trainer.detector.stream_scores import Point
from trainer.system.display_text import counted

NAME, MODEL, INT8_MODEL = "detector.json", "model.onnx", "model.int8.onnx"
OPENWAKEWORD_MODEL, OPENWAKEWORD_TFLITE = "openwakeword.onnx", "openwakeword.tflite"
WAVEFORM, COLUMNS, PROBABILITY = "waveform", "columns", "probability"
"""Values in the graph of a model: input, columns of features (shared by overlapping windows), output."""
LARGEST_DIFFERENCE = 1e-4
"""Allowed between the probabilities of the trained and of the exported model."""
MOST_LOSS = 0.01
"""Allowed increase of the miss rate by int8 quantization."""
UNSMOOTHED_REFRACTORY_SECONDS = 2.0
"""How long programs that load an openWakeWord head do not fire again: wyoming-openwakeword, linux-voice-assistant."""

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=60)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""A file in the folder of the model; names can come from untrusted files."""


class ColumnFacts(BaseModel, frozen=True):
    """How columns of features are computed: one every `step_samples`, from the last `context_samples`. The first
    `dropped` columns of a piece are discarded; a window has `per_window`."""

    step_samples: Count
    context_samples: Count
    dropped: int = Field(ge=0, le=16)
    per_window: Count


class Threshold(BaseModel, frozen=True):
    """How the threshold was chosen, with its rates there. `evaluation`: by the user, so an export keeps it.

    `bound_per_hour`: with 90 % confidence there are at most so many false accepts per hour, from the
    `long_false_accepts` in the `long_hours` of long recordings; null: nothing was promised.
    """

    source: Literal["default", "validation_stream", "prior", "evaluation"]
    false_accepts_per_hour: float | None = None
    miss_rate: float | None = None
    words: int | None = None
    false_accepts: int | None = None
    hours: float | None = None
    evaluation: str | None = None
    bound_per_hour: float | None = None
    long_hours: float | None = None
    long_false_accepts: int | None = None


class Unsmoothed(BaseModel, frozen=True):
    """The threshold for programs that load the openWakeWord head: they judge each score alone, without smoothing, so
    that the same budget needs another one. It comes from the same recordings as that of the detector."""

    threshold: float
    threshold_from: Threshold


class Parity(BaseModel, frozen=True):
    """Largest difference of the probability between the trained and the exported model, on validation windows."""

    largest_difference: float
    windows: int
    within: bool


class Rates(BaseModel, frozen=True):
    """Rates over the validation windows at threshold 0.5, from 0 to 1."""

    accuracy: float | None
    fpr: float | None
    fnr: float | None


class Int8(BaseModel, frozen=True):
    """The cost of quantization to int8: on the windows of `parity` and, where there is a validation stream, on it at
    the same false accepts per hour."""

    largest_difference: float
    mean_difference: float
    float32: Rates
    int8: Rates
    bytes: int
    float32_bytes: int
    float32_stream: Point | None = None
    int8_stream: Point | None = None

    @property
    def loss(self) -> float:
        """Increase of the miss rate or, without a stream, of the error rate of windows."""
        if self.float32_stream and self.int8_stream:
            return self.int8_stream.miss_rate - self.float32_stream.miss_rate
        return (self.float32.accuracy or 0.0) - (self.int8.accuracy or 0.0)

    @property
    def worth_taking(self) -> bool:
        return self.loss <= MOST_LOSS and self.bytes < self.float32_bytes


class DetectorFile(BaseModel, frozen=True):
    """The content of detector.json; `files` and `embedding_models` hold sha256 digests by file name."""

    format: Literal[1] = 1
    run: str
    label: str
    checkpoint: str
    checkpoint_sha256: str = ""
    epoch: int
    model: str
    labels: list[str] = ["positive"]
    sample_rate: int = 16000
    window_seconds: Seconds
    hop_ms: float = Field(ge=1, le=1000)
    smoothing_seconds: Seconds
    threshold: float
    threshold_from: Threshold
    unsmoothed: Unsmoothed | None = None
    refractory_seconds: Seconds
    columns: ColumnFacts
    files: dict[FileName, str]
    embedding_models: dict[str, str] = {}
    parity: Parity
    core_share: float | None = None
    """Processor time of listening live with the float32 model, as a share of real time on the machine that exported."""
    int8: Int8 | None = None
    versions: dict[str, str]

    @property
    def hop_seconds(self) -> float:
        return self.hop_ms / 1000


def path_in(folder: Path) -> Path:
    return folder / NAME


def lock_in(folder: Path) -> Path:
    """The lock held while the detector.json of a model folder is written."""
    return folder / ".lock"


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.2f} %"


ORIGIN = {
    "validation_stream": "was chosen on the validation stream",
    "prior": "was chosen from what models of other words did",
    "evaluation": "was chosen in an evaluation",
}


def _threshold_sentence(file: DetectorFile) -> str:
    origin = file.threshold_from
    if origin.source == "default":
        return f"Its threshold is {file.threshold:g}, the default, as there is no validation stream."
    text, where = f"Its threshold {file.threshold:.4f} {ORIGIN[origin.source]}", "there"
    if origin.false_accepts_per_hour is not None:
        text += f" for {origin.false_accepts_per_hour:g} false accepts per hour"
    if origin.source == "prior":
        where = "on the validation stream"
    if origin.false_accepts is None or origin.hours is None:
        return f"{text}."
    misses = "" if origin.miss_rate is None else f" and a miss rate of {_percent(origin.miss_rate)}"
    bound = origin.bound_per_hour
    promise = "" if bound is None else f" With 90 % confidence there are at most {bound:.2g} per hour."
    text += f": {where} it had {counted(origin.false_accepts, 'false accept')} in {origin.hours:.2f} h{misses}."
    return text + promise


def sentences(file: DetectorFile) -> list[str]:
    """The result of the export for the log and the command line."""
    difference = f"{file.parity.largest_difference:.1e} on {file.parity.windows:,} validation windows"
    if file.parity.within:
        text = [f"Exported the model of epoch {file.epoch}; largest difference from the trained model {difference}."]
    else:
        text = [
            f"The exported model of epoch {file.epoch} differs from the trained model by up to {difference}, more than "
            f"the allowed {LARGEST_DIFFERENCE:g}; its scores are not reliable."
        ]
    text.append(_threshold_sentence(file))
    if file.int8 is None:
        return text
    text += _int8_sentences(file.int8)
    if file.threshold_from.source == "evaluation":  # chosen by the user for both models
        text.append(f"The threshold was measured with {MODEL} only; the int8 model may have more false accepts at it.")
    return text


def _int8_sentences(cost: Int8) -> list[str]:
    text = [
        f"The int8 model has {cost.bytes / 1e6:.2f} MB instead of {cost.float32_bytes / 1e6:.2f} MB. Its probabilities "
        f"differ by up to {cost.largest_difference:.3f}, {cost.mean_difference:.4f} on average; per window at "
        f"threshold 0.5: accuracy {_percent(cost.int8.accuracy)} instead of {_percent(cost.float32.accuracy)}, FPR "
        f"{_percent(cost.int8.fpr)} instead of {_percent(cost.float32.fpr)}, FNR {_percent(cost.int8.fnr)} instead of "
        f"{_percent(cost.float32.fnr)}."
    ]
    if (before := cost.float32_stream) and (after := cost.int8_stream):
        text.append(
            f"On the validation stream, at the same false accepts per hour, it misses {_percent(after.miss_rate)} of "
            f"{counted(after.words, 'word')} instead of {_percent(before.miss_rate)}, at threshold "
            f"{after.threshold:.4f}."
        )
    if cost.loss > MOST_LOSS:
        text.append(f"That is more than {100 * MOST_LOSS:g} % worse; use {MODEL}.")
    elif not cost.worth_taking:
        text.append(f"The int8 model is not smaller; use {MODEL}.")
    return text


def of_model(file: DetectorFile, name: str) -> DetectorFile:
    """The document for one of its models: int8 has a threshold of its own, unless the user chose one for both, and
    programs that load the openWakeWord head listen in another way."""
    if name in (OPENWAKEWORD_MODEL, OPENWAKEWORD_TFLITE):
        return _unsmoothed(file)
    own = file.int8.int8_stream if file.int8 and name == INT8_MODEL else None
    if own is None or file.threshold_from.source != "validation_stream":
        return file
    return file.model_copy(update={"threshold": own.threshold})


def _unsmoothed(file: DetectorFile) -> DetectorFile:
    own = file.unsmoothed or Unsmoothed(threshold=0.5, threshold_from=Threshold(source="default"))
    heard = {"smoothing_seconds": file.hop_seconds, "refractory_seconds": UNSMOOTHED_REFRACTORY_SECONDS}
    return file.model_copy(update=heard | {"threshold": own.threshold, "threshold_from": own.threshold_from})
