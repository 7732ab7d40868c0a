"""The composer of streams: words in quiet, in noise and in rooms, and audio without the word.

The validation stream of a training and the streams of an evaluation are both a pure function of clips, options and
seed. Streams of the test split are cached in data/cache/streams/<key>/.
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
from trainer.streams import hard_conditions, spoken
from trainer.streams.hard_conditions import Material
from trainer.streams.spoken import WORD_DB, Piece
from trainer.streams.stream_set import SYNTHETIC, Part, Recording, StreamSet, Word, is_synthetic
from trainer.system import cache, durable
from trainer.system.display_text import counted
from trainer.system.job import Report
from trainer.system.workspace import STREAM, Workspace

FORMAT = 1
"""To be raised when the same clips and options give other streams."""
WORDS_IN_A_RECORDING = 150
RECORDING_SECONDS = 600.0
NOISE_SECONDS = 10.0
"""Most of one background clip that is used at once."""
SILENT_DB = -70.0
"""Background clips below this level in dBFS are not used as noise."""
NEGATIVE_GAP_SECONDS = 0.3
MOST_ROOMS = 8
MOST_SPEECH = 40
"""Most clips of speech around the words of one recording."""
LONG = "long recordings"
"""The condition of clips with the label `stream` that were not synthesised."""
LOWEST_DB, HIGHEST_DB, MOST_RATIOS = -20.0, 60.0, 8
LABEL_OF = {
    "speech": "negative", "look-alikes": "hard_negative", "noise": "background", LONG: STREAM, SYNTHETIC: STREAM,
}  # fmt: skip
"""Labels of the clips in negative streams by condition."""


def checked_ratios(values: Sequence[float]) -> tuple[float, ...]:
    """Signal-to-noise ratios in dB without duplicates. Raises ValueError for none, too many or extreme ones."""
    if not values or len(values) > MOST_RATIOS or not all(LOWEST_DB <= ratio <= HIGHEST_DB for ratio in values):
        raise ValueError(
            f"Give one to {MOST_RATIOS} signal-to-noise ratios from {LOWEST_DB:g} to {HIGHEST_DB:g} dB, not "
            f"{', '.join(f'{ratio:g}' for ratio in values)!r:.40}."
        )
    return tuple(dict.fromkeys(values))


class Options(BaseModel, frozen=True):
    """Words are also mixed with background clips at these signal-to-noise ratios; `hard`: and are spoken in the
    conditions of `hard_conditions`."""

    snrs_db: tuple[float, ...] = (10.0, 5.0)
    seed: int = 0
    hard: bool = False


@dataclass(frozen=True)
class Composed:
    """One stream in memory: its description, and its samples [n] at 16 kHz in -1..1."""

    recording: Recording
    wave: Wave


def _key(clips: Sequence[Clip], options: Options) -> str:
    """The cache key of the streams: a digest of clips and options."""
    digest = hashlib.sha256(f"{FORMAT}\n{options.model_dump_json()}\n".encode())
    if options.hard:
        digest.update(f"hard {hard_conditions.FORMAT}\n".encode())
    for clip in clips:
        digest.update(f"{clip.path}\0{clip.label}\0{clip.group}\0{clip.digest}\n".encode())
    return digest.hexdigest()[:24]


def check(workspace: Workspace) -> list[Clip]:
    """The clips of the test split. Raises FileNotFoundError without one, ValueError without positives or when clips
    have changed."""
    clips = manifest.read_split(workspace, "test")
    if not any(clip.label == "positive" for clip in clips):
        raise ValueError(f"The test split contains no positive clips. {manifest.SPLIT_AGAIN}")
    if problems := manifest.out_of_date(workspace, clips):
        raise ValueError(problems[0])
    return clips


def _shuffled(clips: Sequence[Clip], label: str, seed: int) -> list[Clip]:
    labelled = [clip for clip in clips if clip.label == label]
    return [labelled[index] for index in np.random.default_rng([seed, 0]).permutation(len(labelled))]


def _bed(read: Callable[[Clip], Wave], clips: Sequence[Clip], samples: int, rng: np.random.Generator) -> Wave:
    """Consecutive clips, each at the level of the words; empty if there are none or all are silent."""
    parts, filled = list[Wave](), 0
    if not clips:
        return np.empty(0, np.float32)
    while filled < samples:
        before = filled
        for index in rng.permutation(len(clips)):
            wave = read(clips[index])[: round(NOISE_SECONDS * SAMPLE_RATE)]
            if level_db(wave) > SILENT_DB and filled < samples:
                parts.append(spoken.faded(at_level(wave, WORD_DB, wave)))
                filled += len(wave)
        if filled == before:
            return np.empty(0, np.float32)
    return np.concatenate(parts)[:samples]


def _rooms(read: Callable[[Clip], Wave], clips: Sequence[Clip]) -> dict[str, list[Wave]]:
    """Impulse responses by room (their folder); MOST_ROOMS of them, evenly spread."""
    names = sorted({clip.group for clip in clips})
    chosen = names[:: max(1, -(-len(names) // MOST_ROOMS))]
    return {name: [read(clip) for clip in clips if clip.group == name] for name in chosen}


def _word_stream(
    name: str, number: int, condition: str, wave: Wave, words: list[Word], **more: float | str
) -> Composed:
    """A stream of words, in which no false accepts are counted."""
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


def _word_streams(
    number: int,
    pieces: Sequence[Piece],
    noise: Sequence[Clip],
    speech: Sequence[Clip],
    rooms: dict[str, list[Wave]],
    options: Options,
    read: Callable[[Clip], Wave],
) -> Iterator[Composed]:
    """The words of one recording in every condition, at the same times in quiet and in noise."""
    rng = np.random.default_rng([options.seed, 1, number])
    clean, words = spoken.concatenated(pieces, rng)
    yield _word_stream("clean", number, "clean", clean, words)
    background = _bed(read, noise, len(clean), rng) if options.snrs_db else np.empty(0, np.float32)
    for snr in options.snrs_db if len(background) else ():
        wave = clean + background * np.float32(10 ** (-snr / 20))
        yield _word_stream(f"noise-{snr:g}dB", number, f"noise, {snr:g} dB", wave, words, snr_db=snr)
    for number_of_room, (room, rirs) in enumerate(rooms.items()):
        own = pieces[number_of_room :: len(rooms)]
        reverberant = [piece.convolved(rirs[index % len(rirs)]) for index, piece in enumerate(own)]
        if reverberant:
            wave, times = spoken.concatenated(reverberant, rng)
            name = room.rpartition("/")[2]
            yield _word_stream(f"room{number_of_room + 1}", number, "room", wave, times, room=name)
    if not options.hard:
        return
    rng = np.random.default_rng([options.seed, 3, number])
    material = Material(
        background if len(background) else _bed(read, noise, len(clean), rng),
        _bed(read, speech, len(clean), rng),
        [read(clip) for clip in rng.permutation(np.array(speech, dtype=object))[:MOST_SPEECH]],
        [rir for rirs in rooms.values() for rir in rirs],
    )
    hard = hard_conditions.compose(pieces, clean, words, material, rng)
    for place, (condition, wave, times) in enumerate(hard, start=1):
        yield _word_stream(f"hard{place}", number, condition, wave, times, in_rates=False)


def _negative_streams(
    condition: str, clips: Sequence[Clip], read: Callable[[Clip], Wave], options: Options, most_seconds: float
) -> Iterator[Composed]:
    """Consecutive clips with short gaps, in recordings of about ten minutes; those of long recordings in their order.

    Every n-th clip is used where all would take more than `most_seconds`.
    """
    speakers = spoken.speakers(clips)
    gap = np.zeros(round(NEGATIVE_GAP_SECONDS * SAMPLE_RATE), np.float32)
    waves, parts, samples, number = list[Wave](), list[Part](), 0, 1
    chosen = _shuffled(clips, LABEL_OF[condition], options.seed)
    if condition in (LONG, SYNTHETIC):
        chosen = [clip for clip in chosen if is_synthetic(clip.path) is (condition == SYNTHETIC)]
        chosen.sort(key=lambda clip: clip.path)
    chosen = chosen[:: max(1, math.ceil(sum(clip.seconds for clip in chosen) / most_seconds))]
    for clip in chosen:
        wave = read(clip)
        start, end = samples / SAMPLE_RATE, (samples + len(wave)) / SAMPLE_RATE
        speaker, phrase = spoken.speaker_and_phrase(clip, speakers)
        parts.append(Part(start=start, end=end, clip=clip.path, label=clip.label, speaker=speaker, phrase=phrase))
        waves += [wave, gap]
        samples += len(wave) + len(gap)
        if samples >= RECORDING_SECONDS * SAMPLE_RATE or clip is chosen[-1]:
            name = f"{condition.replace(' ', '-')}-{number}"
            recording = Recording(
                name=name,
                path=f"{name}.flac",
                seconds=samples / SAMPLE_RATE,
                condition=condition,
                counts_false_accepts=True,
                parts=parts,
            )
            noise_floor = spoken.noise_floor(samples, np.random.default_rng([options.seed, 2, number]))
            yield Composed(recording, np.concatenate(waves) + noise_floor)
            waves, parts, samples, number = [], [], 0, number + 1


def compose(
    clips: Sequence[Clip],
    read: Callable[[Clip], Wave],
    options: Options,
    most_seconds: float = math.inf,
    most_long_seconds: float = math.inf,
) -> Iterator[Composed]:
    """The streams of these clips: words in every condition, then audio without the word.

    `read` returns the samples of a clip at 16 kHz. Each condition without the word is limited to about `most_seconds`,
    that of long recordings to about `most_long_seconds`.
    """
    words = _shuffled(clips, "positive", options.seed)
    noise, speech = ([clip for clip in clips if clip.label == label] for label in ("background", "negative"))
    rooms = _rooms(read, [clip for clip in clips if clip.label == "rirs"])
    for first in range(0, len(words), WORDS_IN_A_RECORDING):
        pieces = [spoken.piece(clip, read(clip)) for clip in words[first : first + WORDS_IN_A_RECORDING]]
        yield from _word_streams(first // WORDS_IN_A_RECORDING + 1, pieces, noise, speech, rooms, options, read)
    for condition in LABEL_OF:
        most = most_long_seconds if condition in (LONG, SYNTHETIC) else most_seconds
        yield from _negative_streams(condition, clips, read, options, most)


def _reader(workspace: Workspace, total: int, report: Report) -> Callable[[Clip], Wave]:
    """A function that reads clips and reports how many of `total` it has read."""
    done = set[str]()

    def read(clip: Clip) -> Wave:
        if clip.label != "rirs":
            done.add(clip.path)
            report(len(done), total, "Composing streams")
        try:
            return audio_file.read_16k(workspace.raw / clip.path)
        except audio_file.AudioRefused as error:
            raise ValueError(f"Clip {clip.path} cannot be read: {error} {manifest.SPLIT_AGAIN}") from None

    return read


def _title(recordings: Sequence[Recording]) -> str:
    words = sum(len(each.words) for each in recordings if each.condition == "clean")
    conditions = list(dict.fromkeys(each.condition for each in recordings if each.words and each.in_rates))
    hours = sum(each.seconds for each in recordings if each.counts_false_accepts) / 3600
    return f"Test split: {counted(words, 'word')} ({'; '.join(conditions)}), {hours:.2f} h without the word"


def _write(folder: Path, streams: Iterator[Composed], key: str) -> None:
    recordings = []
    for each in streams:
        audio_file.write(folder / each.recording.path, np.clip(each.wave, -1, 1), SAMPLE_RATE)
        recordings.append(each.recording)
    document = StreamSet(key=key, title=_title(recordings), folder="", recordings=recordings)
    durable.replace_json(folder / "streams.json", document.model_dump())


def compose_test_split(workspace: Workspace, options: Options, report: Report) -> StreamSet:
    """The streams of the test split, cached. Raises as `check`, OSError."""
    clips = check(workspace)
    key = _key(clips, options)
    folder = workspace.cache / "streams" / key

    def is_complete() -> bool:
        return durable.read_document(StreamSet, folder / "streams.json") is not None

    def write(part: Path) -> None:
        read = _reader(workspace, sum(clip.label != "rirs" for clip in clips), report)
        _write(part, compose(clips, read, options), key)

    if cache.ensure(folder, is_complete, write):
        cache.prune(folder.parent)
    streams = durable.read_document(StreamSet, folder / "streams.json")
    if streams is None:
        raise ValueError(f"The streams in {folder} are corrupt. Remove this folder; the next evaluation recreates it.")
    return streams.model_copy(update={"folder": str(folder)})
