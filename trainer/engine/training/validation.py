"""Validation of a model: its loss and rates on the validation windows, and its misses in the validation stream.

The validation stream consists of recordings composed of the validation clips; the model scores every window of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.audio.manifest import Clip
from trainer.audio.sound_levels import Wave
from trainer.config.schema import EMBEDDING_NUMBERS, EMBEDDING_STEP_SECONDS, Config
from trainer.detector import stream_scores
from trainer.detector.detector_file import UNSMOOTHED_REFRACTORY_SECONDS
from trainer.detector.stream_scores import Point
from trainer.engine.data.batches import Feed, plain_batches
from trainer.engine.data.clips import FULL_SCALE, ClipArray
from trainer.engine.data.windows import Windows, window_samples
from trainer.engine.training import losses, shipped_threshold
from trainer.engine.training.shipped_threshold import Shipped
from trainer.estimates import model_size
from trainer.evaluation import clip_rates
from trainer.run.metrics import Row
from trainer.streams import composition, stream_set
from trainer.streams.composition import Composed, Options
from trainer.streams.stream_set import Recording, ScoredStream
from trainer.system.log_lines import say

BATCH = 256
MOST_STREAM_SECONDS, MOST_LONG_SECONDS = 3600.0, 6 * 3600.0
"""Limits of each kind of clips without the word, and of long recordings, which a promise needs hours of; with more,
scoring the stream would take longer than an epoch."""
MOST_PUBLIC_SECONDS = 12 * 3600.0
"""Limit of each file of public features, whose embeddings need not be computed."""


@torch.inference_mode()
def score(
    model: nn.Module, feed: Feed, windows: Windows, report: Callable[[int, int], None], probability: bool = False
) -> Tensor:
    """Logits, or probabilities, of windows without augmentation: float32 [n] on the CPU.

    `report(done, total)` is called after every batch.
    """
    model.eval()
    scores: list[Tensor] = []
    for features in plain_batches(feed, windows, BATCH):
        logit = model(features).float()
        scores.append((logit.sigmoid() if probability else logit).cpu())
        report(min(len(windows), len(scores) * BATCH), len(windows))
    return torch.cat(scores) if scores else torch.empty(0)


def validate(logit: Tensor, windows: Windows, config: Config) -> dict[str, Any]:
    """Loss, robust loss, accuracy, FPR, FNR, F1 (threshold 0.5) and the counts behind them, from the logits [n]."""
    positive = torch.from_numpy(windows.positive).float()
    weight = losses.validation_weights(positive, config)
    loss = losses.cross_entropy(logit, positive, weight, config.loss.label_smoothing)
    robust = losses.trimmed_loss(logit, positive, config)
    rates = clip_rates.rates(windows.positive, logit.sigmoid().numpy())
    return {
        "val_loss": loss.item(),
        "robust_loss": robust.item(),
        "val_accuracy": rates.accuracy,
        "fpr": rates.fpr,
        "fnr": rates.fnr,
        "f1": rates.f1,
        **asdict(rates),
    }


@dataclass(frozen=True)
class Stream:
    """The recordings of a stream, and the features [columns, rows] of each, which its windows share."""

    recordings: tuple[Recording, ...]
    columns: tuple[Tensor, ...]


def compose_stream(array: ClipArray, heartbeat: Callable[[], None]) -> Iterator[Composed]:
    """Compose the streams of a split as an evaluation does for the test split; `heartbeat` is called for every clip."""
    places = {clip.path: place for place, clip in enumerate(array.clips)}

    def read(clip: Clip) -> Wave:
        heartbeat()
        first, count = (int(each[places[clip.path]]) for each in (array.starts, array.lengths))
        return (array.samples[first : first + count] / FULL_SCALE).astype(np.float32)

    return composition.compose(array.clips, read, Options(), MOST_STREAM_SECONDS, MOST_LONG_SECONDS)


def hop_columns(config: Config) -> int:
    """Columns of features in a hop: the whole number that is closest to the usual hop."""
    return max(1, round(stream_scores.HOP_SECONDS / model_size.column_seconds(config)))


def columns_of_windows(config: Config, count: int) -> int:
    """Columns that `count` consecutive windows share."""
    return model_size.frames(config) + (count - 1) * hop_columns(config)


def hop_seconds(config: Config) -> float:
    return hop_columns(config) * model_size.column_seconds(config)


@torch.inference_mode()
def columns_of(feed: Feed, wave: Wave, heartbeat: Callable[[], None]) -> Tensor:
    """The features [columns, rows] that the windows of a wave [samples] share; the first window ends after one hop."""
    before = window_samples(feed.config) - round(hop_seconds(feed.config) * SAMPLE_RATE)
    padded = torch.from_numpy(np.pad(np.clip(wave, -1, 1), (before, 0))).to(feed.device)
    return feed.front_end.columns(padded, heartbeat)


@torch.inference_mode()
def stream_probability(
    model: nn.Module, feed: Feed, columns: Tensor, heartbeat: Callable[[], None]
) -> NDArray[np.float64]:
    """Probability [n] of the word in the window that ends after each hop; `heartbeat` is called after every batch."""
    model.eval()
    windows = columns.unfold(0, model_size.frames(feed.config), hop_columns(feed.config)).transpose(1, 2)
    scores = []
    for first in range(0, len(windows), BATCH):
        features = feed.front_end.finish(windows[first : first + BATCH].to(feed.device))
        scores.append(model(features).cpu().double().sigmoid())  # float32 rounds many values near 1 to the same one
        heartbeat()
    return torch.cat(scores).numpy()


def open_stream(feed: Feed, public: Path, heartbeat: Callable[[], None]) -> Stream:
    """Compose the stream of a split and compute its features, which do not change during a training; for a model on
    speech embeddings, add those in the folder `public`.

    `heartbeat` is called between pieces of that work.
    """
    recordings, columns = [], []
    for composed in compose_stream(feed.array, heartbeat):
        recordings.append(composed.recording)
        columns.append(columns_of(feed, composed.wave, heartbeat))
    for recording, embeddings in public_embeddings(feed.config, public):
        recordings.append(recording)
        columns.append(embeddings)
    return Stream(tuple(recordings), tuple(columns))


def public_embeddings(config: Config, folder: Path) -> Iterator[tuple[Recording, Tensor]]:
    """Long recordings without the word of which only the speech embeddings [columns, 96] are known, memory-mapped.

    A file that is no such array is left out, with a line in the log.
    """
    if config.features.kind != "speech_embedding":
        return
    for path in sorted(folder.glob("*.npy")):
        try:
            array = np.load(path, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            array = np.empty(0)
        if array.ndim != 2 or array.shape[1] != EMBEDDING_NUMBERS or array.dtype != np.float32 or not len(array):
            say(f"Not used for the threshold: {path.name} is not an array of speech embeddings (float32, [n, 96]).")
            continue
        array = array[: round(MOST_PUBLIC_SECONDS / EMBEDDING_STEP_SECONDS)]
        seconds = len(array) * EMBEDDING_STEP_SECONDS
        recording = Recording(
            name=path.stem, path=str(path), seconds=seconds, condition=composition.LONG, counts_false_accepts=True
        )
        say(f"The threshold is also chosen on {seconds / 3600:.1f} h of the public features {path.stem}.")
        yield recording, torch.from_numpy(array)


def stream_due(config: Config, epoch: int) -> bool:
    """Whether the stream is scored after this epoch (1, 2, ...)."""
    options = config.training
    return options.stream_epochs > 0 and (epoch % options.stream_epochs == 0 or epoch == options.epochs)


def count_streams(config: Config, after: int = 0) -> int:
    """How often a training scores the stream after the epochs above `after`."""
    every, epochs = config.training.stream_epochs, config.training.epochs
    return -(-epochs // every) - after // every if every and after < epochs else 0


def stream_row(point: Point, shipped: Shipped | None = None, unsmoothed: Shipped | None = None) -> Row:
    """The columns of an epoch's row for the stream, at the budget and, where that is another threshold, at the one that
    an export would ship, and at that for unsmoothed scores; `stream_format` is the version of its composition."""
    measured = {f"stream_{name}": value for name, value in asdict(point).items()}
    more = _prefixed("shipped", shipped) | _prefixed("unsmoothed", unsmoothed)
    return {"miss_rate": point.miss_rate, **measured, **more, "stream_format": composition.FORMAT}


def _prefixed(prefix: str, shipped: Shipped | None) -> dict[str, float | int | None]:
    if shipped is None:
        return {}
    document = asdict(shipped)
    return {f"{prefix}_{name}": value for name, value in (document.pop("point") | document).items()}


def shipped_of_row(row: Row, prefix: str = "shipped") -> Shipped | None:
    """The inverse of `stream_row` for a threshold that an export would ship; None when the row has none."""
    if (point := point_of_row(row, prefix)) is None:
        return None
    names = ("bound_per_hour", "long_hours", "long_false_accepts")  # rows of earlier versions have none
    return Shipped(point, **{name: row[f"{prefix}_{name}"] for name in names if f"{prefix}_{name}" in row})


def point_of_row(row: Row, prefix: str) -> Point | None:
    """An operating point in an epoch's row; None when the row has none of this kind."""
    names = [f"{prefix}_{field.name}" for field in fields(Point)]
    return Point(*(row[name] for name in names)) if names[0] in row else None


def describe_stream(point: Point) -> str:
    """The log line of one scoring of the stream."""
    return (
        f"Validation stream: {point.misses} of {point.words} words missed ({100 * point.miss_rate:.2f}%) with "
        f"{point.false_accepts} false accepts in {point.hours:.2f} h, at threshold {point.threshold:.4f}."
    )


class StreamPoints(NamedTuple):
    """The operating points in the stream: at the configured false accepts per hour, at the threshold to ship, and at
    that for programs that do not smooth. None for a split without words or other sound, the second also without hours
    and prior, the third for features that no such program computes."""

    at_budget: Point | None
    shipped: Shipped | None
    unsmoothed: Shipped | None


def measure_stream(model: nn.Module, feed: Feed, stream: Stream, heartbeat: Callable[[], None]) -> StreamPoints:
    """Score the stream, and find its operating points."""
    config, hop = feed.config, hop_seconds(feed.config)
    raw = [stream_probability(model, feed, columns, heartbeat) for columns in stream.columns]
    scored = [smoothed(recording, each, hop) for recording, each in zip(stream.recordings, raw, strict=True)]
    at_budget = stream_set.operating_point(scored, config.training.false_accepts_per_hour)
    shipped, unsmoothed = shipped_threshold.choose(scored, config), None
    if config.features.kind == "speech_embedding":
        alone = [
            ScoredStream(recording, each, hop, UNSMOOTHED_REFRACTORY_SECONDS)
            for recording, each in zip(stream.recordings, raw, strict=True)
        ]
        unsmoothed = shipped_threshold.choose_unsmoothed(alone, scored, config)
    return StreamPoints(at_budget, shipped, unsmoothed)


def smoothed(recording: Recording, raw: NDArray[np.floating], hop: float) -> ScoredStream:
    """A recording with its probabilities [n], one every `hop` seconds, smoothed with the default of a new detector."""
    return ScoredStream(recording, stream_scores.smooth(raw, hop), hop, stream_scores.REFRACTORY_SECONDS)
