"""Composes streams of clips: words in quiet, in noise and in rooms, and hours of other sound.

The one composer, of the validation stream of a training and of the streams of an evaluation: a pure function of clips,
options and seed. The streams of the test split are cached in data/cache/streams/<key>/, so that runs are compared on
the same audio.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from trainer.audio import audio_file, manifest
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.audio.manifest import Clip
from trainer.audio.sound_levels import Wave, at_level, level_db
from trainer.streams import spoken
from trainer.streams.spoken import WORD_DB, Piece
from trainer.streams.stream_set import Part, Recording, StreamSet, Word
from trainer.system import cache, durable
from trainer.system.display_text import counted
from trainer.system.job import Report
from trainer.system.workspace import Workspace

FORMAT = 1
"""Of the composition: to be raised when the same clips and options give other streams."""
WORDS_IN_A_RECORDING = 150
RECORDING_SECONDS = 600.0
NOISE_SECONDS = 10.0
"""The longest part of one background clip behind the words; then the next one follows."""
SILENT_DB = -70.0
"""Background clips below this level in dBFS are not used as noise."""
OTHER_GAP_SECONDS = 0.3
MOST_ROOMS = 8
LOWEST_DB, HIGHEST_DB, MOST_RATIOS = -20.0, 60.0, 8
NOTHING_ELSE = "speech", "look-alikes", "noise"
LABEL_OF = {"speech": "negative", "look-alikes": "hard_negative", "noise": "background"}


def ratios(values: Sequence[float]) -> tuple[float, ...]:
    """Ratios of word to noise in dB that can be heard, each once. Raises ValueError with one sentence."""
    if not values or len(values) > MOST_RATIOS or not all(LOWEST_DB <= ratio <= HIGHEST_DB for ratio in values):
        raise ValueError(
            f"Give one to {MOST_RATIOS} ratios from {LOWEST_DB:g} to {HIGHEST_DB:g} dB; "
            f"{', '.join(f'{ratio:g}' for ratio in values)!r:.40} is not that."
        )
    return tuple(dict.fromkeys(values))


class Options(BaseModel, frozen=True):
    """How words are heard beside quiet and rooms: in noise of the test split at these ratios of word to noise."""

    snrs_db: tuple[float, ...] = (10.0, 5.0)
    seed: int = 0


@dataclass(frozen=True)
class Composed:
    """One stream in memory: its description, and its samples [n] at 16 kHz in -1..1."""

    recording: Recording
    wave: Wave


def _key(clips: Sequence[Clip], options: Options) -> str:
    """Names the streams after what they are made from."""
    digest = hashlib.sha256(f"{FORMAT}\n{options.model_dump_json()}\n".encode())
    for clip in clips:
        digest.update(f"{clip.path}\0{clip.label}\0{clip.group}\0{clip.digest}\n".encode())
    return digest.hexdigest()[:24]


def check(workspace: Workspace) -> list[Clip]:
    """The clips of the test split. Raises FileNotFoundError without one, ValueError when nothing can be measured."""
    clips = manifest.read_split(workspace, "test")
    if not any(clip.label == "positive" for clip in clips):
        raise ValueError(f"The test split holds no positive clips, so there is no word to detect. {manifest.AGAIN}")
    if problems := manifest.out_of_date(workspace, clips):
        raise ValueError(problems[0])
    return clips


def _shuffled(clips: Sequence[Clip], label: str, seed: int) -> list[Clip]:
    chosen = [clip for clip in clips if clip.label == label]
    return [chosen[index] for index in np.random.default_rng([seed, 0]).permutation(len(chosen))]


def _noise(read: Callable[[Clip], Wave], clips: Sequence[Clip], samples: int, rng: np.random.Generator) -> Wave:
    """Background clips one after the other, each at the level of the words; empty if all are silent."""
    bed, filled = list[Wave](), 0
    while filled < samples:
        before = filled
        for index in rng.permutation(len(clips)):
            wave = read(clips[index])[: round(NOISE_SECONDS * SAMPLE_RATE)]
            if level_db(wave) > SILENT_DB and filled < samples:
                bed.append(spoken.faded(at_level(wave, WORD_DB, wave)))
                filled += len(wave)
        if filled == before:
            return np.empty(0, np.float32)
    return np.concatenate(bed)[:samples]


def _rooms(read: Callable[[Clip], Wave], clips: Sequence[Clip]) -> dict[str, list[Wave]]:
    """Impulse responses by room, which is the folder they lie in; of many rooms some, evenly spread."""
    names = sorted({clip.group for clip in clips})
    chosen = names[:: max(1, -(-len(names) // MOST_ROOMS))]
    return {name: [read(clip) for clip in clips if clip.group == name] for name in chosen}


def _word_streams(
    number: int,
    pieces: Sequence[Piece],
    noise: Sequence[Clip],
    rooms: dict[str, list[Wave]],
    options: Options,
    read: Callable[[Clip], Wave],
) -> Iterator[Composed]:
    """The words of one recording in every condition, at the same places in quiet and in noise."""

    def made(name: str, condition: str, wave: Wave, words: list[Word], **more: float | str) -> Composed:
        recording = Recording(
            name=f"{name}-{number}",
            path=f"{name}-{number}.flac",
            seconds=len(wave) / SAMPLE_RATE,
            condition=condition,
            counts_false_accepts=False,
            words=words,
            **more,
        )
        return Composed(recording, wave)

    rng = np.random.default_rng([options.seed, 1, number])
    clean, words = spoken.in_a_row(pieces, rng)
    yield made("clean", "clean", clean, words)
    bed = _noise(read, noise, len(clean), rng) if options.snrs_db and noise else np.empty(0, np.float32)
    for snr in options.snrs_db if len(bed) else ():
        wave = clean + bed * np.float32(10 ** (-snr / 20))
        yield made(f"noise-{snr:g}dB", f"noise, {snr:g} dB", wave, words, snr_db=snr)
    for turn, (room, rirs) in enumerate(rooms.items()):
        heard = [piece.through(rirs[place % len(rirs)]) for place, piece in enumerate(pieces[turn :: len(rooms)])]
        if heard:
            wave, words = spoken.in_a_row(heard, rng)
            yield made(f"room{turn + 1}", "room", wave, words, room=room.rpartition("/")[2])


def _other_streams(
    kind: str, clips: Sequence[Clip], read: Callable[[Clip], Wave], options: Options, most_seconds: float
) -> Iterator[Composed]:
    """Clips one after the other, with short gaps, in recordings of about ten minutes.

    Every n-th clip is used where all would take more than `most_seconds`.
    """
    people = spoken.people(clips)
    gap = np.zeros(round(OTHER_GAP_SECONDS * SAMPLE_RATE), np.float32)
    waves, parts, place, number = list[Wave](), list[Part](), 0, 1
    chosen = _shuffled(clips, LABEL_OF[kind], options.seed)
    chosen = chosen[:: max(1, math.ceil(sum(clip.seconds for clip in chosen) / most_seconds))]
    for clip in chosen:
        wave = read(clip)
        start, end = place / SAMPLE_RATE, (place + len(wave)) / SAMPLE_RATE
        speaker, phrase = spoken.speaker_and_phrase(clip, people)
        parts.append(Part(start=start, end=end, clip=clip.path, label=clip.label, speaker=speaker, phrase=phrase))
        waves += [wave, gap]
        place += len(wave) + len(gap)
        if place >= RECORDING_SECONDS * SAMPLE_RATE or clip is chosen[-1]:
            whole = np.concatenate(waves) + spoken.floor(place, np.random.default_rng([options.seed, 2, number]))
            name = f"{kind}-{number}"
            yield Composed(
                Recording(
                    name=name,
                    path=f"{name}.flac",
                    seconds=place / SAMPLE_RATE,
                    condition=kind,
                    counts_false_accepts=True,
                    parts=parts,
                ),
                whole,
            )
            waves, parts, place, number = [], [], 0, number + 1


def compose(
    clips: Sequence[Clip], read: Callable[[Clip], Wave], options: Options, most_seconds: float = math.inf
) -> Iterator[Composed]:
    """The streams of these clips: words in every condition, then what must not wake the detector.

    `read` returns the samples of a clip at 16 kHz. Each kind of other sound is limited to about `most_seconds`.
    """
    words, noise = _shuffled(clips, "positive", options.seed), [clip for clip in clips if clip.label == "background"]
    rooms = _rooms(read, [clip for clip in clips if clip.label == "rirs"])
    for first in range(0, len(words), WORDS_IN_A_RECORDING):
        pieces = [spoken.piece(clip, read(clip)) for clip in words[first : first + WORDS_IN_A_RECORDING]]
        yield from _word_streams(first // WORDS_IN_A_RECORDING + 1, pieces, noise, rooms, options, read)
    for kind in NOTHING_ELSE:
        yield from _other_streams(kind, clips, read, options, most_seconds)


def _reader(workspace: Workspace, total: int, report: Report) -> Callable[[Clip], Wave]:
    """Reads clips of a workspace and reports the progress: clips read for the first time, of `total`."""
    done = set[str]()

    def read(clip: Clip) -> Wave:
        if clip.label != "rirs":
            done.add(clip.path)
            report(len(done), total, "Composing streams")
        try:
            return audio_file.read_16k(workspace.raw / clip.path)
        except audio_file.AudioRefused as error:
            raise ValueError(f"Clip {clip.path} cannot be read: {error} {manifest.AGAIN}") from None

    return read


def _title(recordings: Sequence[Recording]) -> str:
    """What is in them, in words."""
    words = sum(len(each.words) for each in recordings if each.condition == "clean")
    conditions = list(dict.fromkeys(each.condition for each in recordings if each.words))
    hours = sum(each.seconds for each in recordings if each.counts_false_accepts) / 3600
    return f"Test split: {counted(words, 'word')} ({'; '.join(conditions)}), {hours:.2f} h without the word"


def _write(folder: Path, streams: Iterator[Composed], key: str) -> None:
    recordings = []
    for each in streams:
        audio_file.write(folder / each.recording.path, np.clip(each.wave, -1, 1), SAMPLE_RATE)
        recordings.append(each.recording)
    made = StreamSet(key=key, title=_title(recordings), folder="", recordings=recordings)
    durable.replace_json(folder / "streams.json", made.model_dump())


def compose_test_split(workspace: Workspace, options: Options, report: Report) -> StreamSet:
    """The streams of the test split, from the cache where they were made before.

    Raises FileNotFoundError without a split, ValueError for one that nothing can be measured with, OSError.
    """
    clips = check(workspace)
    key = _key(clips, options)
    folder = workspace.cache / "streams" / key

    def is_whole() -> bool:
        return durable.read_document(StreamSet, folder / "streams.json") is not None

    def make(part: Path) -> None:
        read = _reader(workspace, sum(clip.label != "rirs" for clip in clips), report)
        _write(part, compose(clips, read, options), key)

    if cache.ensure(folder, is_whole, make):
        cache.prune(folder.parent)
    streams = durable.read_document(StreamSet, folder / "streams.json")
    if streams is None:
        raise ValueError(
            f"The streams in {folder} are damaged. Remove this folder; the next evaluation makes it again."
        )
    return streams.model_copy(update={"folder": str(folder)})
