"""detector.json beside an exported model: detection settings, origin and export quality."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from trainer.detector.stream_scores import Point

NAME, MODEL, INT8_MODEL, OPENWAKEWORD_MODEL = "detector.json", "model.onnx", "model.int8.onnx", "openwakeword.onnx"
WAVEFORM, COLUMNS, PROBABILITY = "waveform", "columns", "probability"
"""Values in the graph of a model: its input, what the windows of a stream share, its output."""
LARGEST_DIFFERENCE = 1e-4
"""Between the probabilities of the trained and of the exported model."""
MOST_LOSS = 0.01
"""Of the words that a model of eight bits may miss more than the one that it was made from."""

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, le=60)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""In the model's own folder; the names come from untrusted files too."""


class ColumnFacts(BaseModel, frozen=True):
    """How the columns of features are cut from a wave: one every `step_samples`, from `context_samples` that end with
    it. A piece of wave gives `dropped` columns too many at its beginning, and a window has `per_window`."""

    step_samples: Count
    context_samples: Count
    dropped: int = Field(ge=0, le=16)
    per_window: Count


class Threshold(BaseModel, frozen=True):
    """Where the threshold comes from, and what it costs there; `evaluation`: chosen by the user, so it stays.

    `bound_per_hour`: with 90 % confidence there are at most so many false accepts per hour, counted in the `long_hours`
    of long recordings; null: nothing was promised.
    """

    source: Literal["default", "validation_stream", "evaluation"]
    false_accepts_per_hour: float | None = None
    miss_rate: float | None = None
    words: int | None = None
    false_accepts: int | None = None
    hours: float | None = None
    evaluation: str | None = None
    bound_per_hour: float | None = None
    long_hours: float | None = None


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
    """What rounding the weights to eight bits costs: on the same windows as `parity`, and in the validation stream at
    the same false accepts per hour, where there is one."""

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
        """Increase of the miss rate; without a stream, of the error rate of windows."""
        if self.float32_stream and self.int8_stream:
            return self.int8_stream.miss_rate - self.float32_stream.miss_rate
        return (self.float32.accuracy or 0.0) - (self.int8.accuracy or 0.0)

    @property
    def worth_taking(self) -> bool:
        return self.loss <= MOST_LOSS and self.bytes < self.float32_bytes


class DetectorFile(BaseModel, frozen=True):
    """Times in seconds unless the name says otherwise; `files` and `embedding_models` are digests (sha256) by name."""

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
    refractory_seconds: Seconds
    columns: ColumnFacts
    files: dict[FileName, str]
    embedding_models: dict[str, str] = {}
    parity: Parity
    int8: Int8 | None = None
    versions: dict[str, str]

    @property
    def hop_seconds(self) -> float:
        return self.hop_ms / 1000


def path_in(folder: Path) -> Path:
    return folder / NAME


def lock_in(folder: Path) -> Path:
    """Held while the detector.json of a model folder is written, by an export or a chosen threshold."""
    return folder / ".lock"


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.2f} %"


def _threshold_sentence(file: DetectorFile) -> str:
    heard = file.threshold_from
    if heard.source == "default":
        return f"Its threshold is {file.threshold:g}, as there was no validation stream to choose it on."
    where = "the validation stream" if heard.source == "validation_stream" else "an evaluation"
    said = f"Its threshold {file.threshold:.4f} was chosen in {where}"
    if heard.false_accepts_per_hour is not None:
        said += f" for {heard.false_accepts_per_hour:g} false accepts per hour"
    if heard.false_accepts is None or heard.hours is None:
        return f"{said}."
    missed = "" if heard.miss_rate is None else f", and missed {_percent(heard.miss_rate)} of the words"
    bound = heard.bound_per_hour
    kept = "" if bound is None else f" With 90 % confidence there are at most {bound:.2g} per hour."
    return f"{said}: there it had {heard.false_accepts} in {heard.hours:.2f} h{missed}.{kept}"


def sentences(file: DetectorFile) -> list[str]:
    """What was exported and how well, for the log and the command line."""
    differs = f"on {file.parity.windows:,} validation windows by {file.parity.largest_difference:.1e} at most"
    said = [f"The model of epoch {file.epoch} is exported: it differs from the trained one {differs}."]
    if not file.parity.within:
        said = [
            f"The exported model of epoch {file.epoch} differs from the trained one {differs}, which is more than "
            f"{LARGEST_DIFFERENCE:g}: its scores are not those of the training."
        ]
    said.append(_threshold_sentence(file))
    if file.int8 is None:
        return said
    return [*said, *_int8_sentences(file.int8), *_unmeasured(file)]


def _unmeasured(file: DetectorFile) -> list[str]:
    """A threshold that a user chose was measured with one model, and holds for both."""
    if file.threshold_from.source != "evaluation":
        return []
    return [f"The chosen threshold was measured with {MODEL} alone: the int8 model may wake more often at it."]


def _int8_sentences(cost: Int8) -> list[str]:
    said = [
        f"In eight bits it takes {cost.bytes / 1e6:.2f} instead of {cost.float32_bytes / 1e6:.2f} MB; its probability "
        f"differs by {cost.largest_difference:.3f} at most, {cost.mean_difference:.4f} on average; of the windows "
        f"{_percent(cost.int8.accuracy)} are right at threshold 0.5 instead of {_percent(cost.float32.accuracy)} (FPR "
        f"{_percent(cost.int8.fpr)} instead of {_percent(cost.float32.fpr)}, FNR {_percent(cost.int8.fnr)} instead of "
        f"{_percent(cost.float32.fnr)})."
    ]
    if (before := cost.float32_stream) and (after := cost.int8_stream):
        said.append(
            f"In the validation stream, at the same false accepts per hour, eight bits miss "
            f"{_percent(after.miss_rate)} of {after.words} words instead of {_percent(before.miss_rate)}, at a "
            f"threshold of {after.threshold:.4f}."
        )
    if cost.loss > MOST_LOSS:
        said.append(f"That is more than {100 * MOST_LOSS:g} % worse: take {MODEL}.")
    elif not cost.worth_taking:
        said.append(f"Eight bits make it no smaller: take {MODEL}.")
    return said


def of_model(file: DetectorFile, name: str) -> DetectorFile:
    """The document as it holds for one of its models: the same false accepts per hour want another threshold of eight
    bits; one that the user chose holds for all."""
    own = file.int8.int8_stream if file.int8 and name == INT8_MODEL else None
    if own is None or file.threshold_from.source != "validation_stream":
        return file
    return file.model_copy(update={"threshold": own.threshold})
