"""The validation split as a device hears it: words one after the other, quiet, in noise and in rooms, and hours of all
else; a window of it is scored at every hop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.audio.sound_levels import at_level, level_db
from trainer.config.schema import Config
from trainer.detector import stream_scores
from trainer.detector.stream_scores import Point, Track
from trainer.engine.augmentation import effects
from trainer.engine.data import sound_bank
from trainer.engine.data.batches import Feed
from trainer.engine.data.clips import FULL_SCALE, ClipArray
from trainer.engine.data.windows import OTHER_WORDS, window_samples
from trainer.estimates import model_size
from trainer.run.metrics import Row

MARGIN_SECONDS = 0.3
"""Of its clip, kept around a word."""
GAP_SECONDS = (1.5, 2.5)
"""Of silence between two words, so that each is heard alone."""
OTHER_GAP_SECONDS = 0.3
WORD_DB, NOISE_DB, FLOOR_DB = -26.0, -36.0, -75.0
"""Levels in dBFS: of each word, of the noise in which the words are heard a second time, of the silence."""
SILENT_DB = -70.0
"""A recording of noise below is none."""
MOST_SECONDS = 3600.0
"""So much of the negatives is heard, evenly spread; with more, a look would cost more than an epoch."""
BATCH = 256

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """A wave [samples] at 16 kHz in -1..1; `words` [w, 2] are start and end in seconds of the words in it."""

    wave: Wave
    words: NDArray[np.float64]


@dataclass(frozen=True)
class Stream:
    """What is kept of the recordings: the features [columns, rows] that their windows share, and their words [w, 2]."""

    columns: tuple[Tensor, ...]
    words: tuple[NDArray[np.float64], ...]


def _clip(array: ClipArray, index: int) -> Wave:
    first = int(array.starts[index])
    return (array.samples[first : first + int(array.lengths[index])] / FULL_SCALE).astype(np.float32)


def _floor(samples: int, rng: np.random.Generator) -> Wave:
    return np.float32(10 ** (FLOOR_DB / 20)) * rng.standard_normal(samples, np.float32)


def _words(array: ClipArray, change: Callable[[Wave], Wave], beat: Callable[[], None]) -> Recording:
    """Each positive once, at one level, through `change`."""
    rng, margin = np.random.default_rng(0), round(MARGIN_SECONDS * SAMPLE_RATE)
    pieces, spans, place = [], [], SAMPLE_RATE
    for index in array.labelled("positive").tolist():
        start, end = array.words[index].tolist()
        first = max(0, start - margin)
        word = slice(start - first, max(end, start + 1) - first)
        piece = _clip(array, index)[first : end + margin]
        piece = change(at_level(piece, WORD_DB, piece[word]))
        pieces.append((place, at_level(piece, WORD_DB, piece[word])))
        spans.append((place + word.start, place + word.stop))
        place += len(piece) + round(rng.uniform(*GAP_SECONDS) * SAMPLE_RATE)
        beat()
    wave = _floor(place, rng)
    for at, piece in pieces:
        wave[at : at + len(piece)] += piece
    return Recording(wave, np.array(spans, dtype=np.float64).reshape(-1, 2) / SAMPLE_RATE)


def _spread(array: ClipArray, clips: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of these clips every n-th, so that they stay below the limit."""
    seconds = array.lengths[clips].sum() / SAMPLE_RATE
    return clips[:: max(1, int(np.ceil(seconds / MOST_SECONDS)))]


def _joined(array: ClipArray, clips: NDArray[np.int64]) -> Recording:
    """Clips one after the other as they are, with short gaps."""
    gap = np.zeros(round(OTHER_GAP_SECONDS * SAMPLE_RATE), np.float32)
    wave = np.concatenate([part for index in _spread(array, clips).tolist() for part in (_clip(array, index), gap)])
    return Recording(wave + _floor(len(wave), np.random.default_rng(1)), np.empty((0, 2)))


def _noise(array: ClipArray, clips: NDArray[np.int64], samples: int) -> Wave | None:
    """Background recordings one after the other, all equally loud, repeated to this length; None if all are silent."""
    waves = [_clip(array, index) for index in _spread(array, clips).tolist()]
    loud = [at_level(wave, NOISE_DB, wave) for wave in waves if level_db(wave) > SILENT_DB]
    return np.resize(np.concatenate(loud), samples) if loud else None


def _through(rirs: Tensor) -> Callable[[Wave], Wave]:
    """Each piece through the next of the rooms [rooms, taps]."""
    turn = iter(range(1_000_000_000))

    def change(piece: Wave) -> Wave:
        room = rirs[next(turn) % len(rirs)][None]
        return effects.reverberate(torch.from_numpy(piece)[None], room)[0].numpy()

    return change


def recordings(array: ClipArray, beat: Callable[[], None]) -> list[Recording]:
    """Of a split: its words quiet, in noise and in rooms (with what it has of those), then what must not wake."""
    quiet = _words(array, lambda piece: piece, beat)
    found = [quiet]
    backgrounds, others = array.labelled("background"), array.labelled(*OTHER_WORDS)
    if len(backgrounds) and (noise := _noise(array, backgrounds, len(quiet.wave))) is not None:
        found.append(Recording(quiet.wave + noise, quiet.words))
    if (rirs := sound_bank.load_rooms(array, torch.device("cpu"))) is not None:
        found.append(_words(array, _through(rirs), beat))
    return [*found, *(_joined(array, clips) for clips in (others, backgrounds) if len(clips))]


def hop_columns(config: Config) -> int:
    """Columns of features in a hop: as near to the usual hop as whole columns come."""
    return max(1, round(stream_scores.HOP_SECONDS / model_size.column_seconds(config)))


def columns_of_windows(config: Config, count: int) -> int:
    """Columns that so many windows in a row share."""
    return model_size.frames(config) + (count - 1) * hop_columns(config)


def hop_seconds(config: Config) -> float:
    return hop_columns(config) * model_size.column_seconds(config)


@torch.inference_mode()
def columns_of(feed: Feed, wave: Wave, beat: Callable[[], None]) -> Tensor:
    """The features [columns, rows] that the windows of a wave [samples] share; the first window ends after one hop."""
    before = window_samples(feed.config) - round(hop_seconds(feed.config) * SAMPLE_RATE)
    padded = torch.from_numpy(np.pad(np.clip(wave, -1, 1), (before, 0))).to(feed.device)
    return feed.front_end.columns(padded, beat)


@torch.inference_mode()
def probability(model: nn.Module, feed: Feed, columns: Tensor, beat: Callable[[], None]) -> NDArray[np.float64]:
    """Of the word [n] in the window that ends after each hop; `beat` is called after every batch."""
    model.eval()
    every = columns.unfold(0, model_size.frames(feed.config), hop_columns(feed.config)).transpose(1, 2)
    found = []
    for first in range(0, len(every), BATCH):
        features = feed.front_end.finish(every[first : first + BATCH])
        found.append(model(features).cpu().double().sigmoid())  # near 1, float32 makes equals of many
        beat()
    return torch.cat(found).numpy()


def open_stream(feed: Feed, beat: Callable[[], None]) -> Stream:
    """Compute the features of the recordings of a split once; they do not change while a model learns.

    `beat` is called between the pieces of that work, which takes a while.
    """
    found = recordings(feed.array, beat)
    columns = tuple(columns_of(feed, recording.wave, beat) for recording in found)
    return Stream(columns, tuple(recording.words for recording in found))


def due(config: Config, epoch: int) -> bool:
    """Whether the stream is heard after this epoch (1, 2, ...)."""
    options = config.training
    return options.stream_epochs > 0 and (epoch % options.stream_epochs == 0 or epoch == options.epochs)


def times(config: Config, after: int = 0) -> int:
    """How often a whole training hears the stream, or still will after the epochs above `after`."""
    every, epochs = config.training.stream_epochs, config.training.epochs
    return -(-epochs // every) - after // every if every and after < epochs else 0


def row(point: Point) -> Row:
    """What an epoch's row says of the stream."""
    return {"miss_rate": point.miss_rate} | {f"stream_{name}": value for name, value in asdict(point).items()}


def sentence(point: Point) -> str:
    """What was found in the stream, as a line of the log."""
    return (
        f"Heard as a stream: {point.misses} of {point.words} words missed ({100 * point.miss_rate:.2f}%) with "
        f"{point.false_accepts} false accepts in {point.hours:.2f} h, at threshold {point.threshold:.4f}."
    )


def measure(model: nn.Module, feed: Feed, stream: Stream, beat: Callable[[], None]) -> Point | None:
    """Misses at the false accepts per hour that the options name, over all recordings with words together; None
    where a split has no words or nothing else."""
    hop = hop_seconds(feed.config)
    tracks = [
        Track(stream_scores.smooth(probability(model, feed, columns, beat), hop), words, hop)
        for columns, words in zip(stream.columns, stream.words, strict=True)
    ]
    return operating_point(tracks, feed.config.training.false_accepts_per_hour)


def operating_point(tracks: Sequence[Track], per_hour: float) -> Point | None:
    """Misses at these false accepts per hour; None where there are no words or nothing else."""
    spoken = [track for track in tracks if len(track.words)]
    other = [track for track in tracks if not len(track.words)]
    return stream_scores.at_false_accepts(spoken, other, per_hour)
