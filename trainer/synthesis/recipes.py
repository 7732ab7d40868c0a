"""Recipes of synthetic clips: those of a phrase that a user chooses, and samples of it to hear before."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.dataset import file_names, importing
from trainer.dataset.importing import Imported
from trainer.synthesis import accents, acoustics, clip_sound, engines, phrases, pronunciation, speech_streams
from trainer.synthesis.clip_sound import Utterance
from trainer.synthesis.engines import Engine
from trainer.system.job import Report
from trainer.system.workspace import STREAM, SYNTHETIC_PREFIX, Workspace

SPEECH = ("positive", "hard_negative", "negative")
MOST_CLIPS = 20_000
MOST_HOURS = speech_streams.MOST_SECONDS / 3600
POSITIONS_PER_ROOM = 3
BACKGROUND_SECONDS = 8.0
SAMPLES = 5
RATES = (125, 210)
"""Range of the rate in words per minute."""


@dataclass(frozen=True)
class Recipe:
    """What to make: `counts` are clips by label, `voices` the most voices of each engine.

    `look_alikes` are the texts of hard negatives; without any, texts at least `least_distance` phonemes away from the
    phrase are chosen. `piper` is a Piper voice or a folder of voices. `engines` are the names of the engines that
    speak; without any, Piper where `piper` is given, else espeak-ng and the engines that are installed, each a share.
    `pronunciations` are spoken in the positives in turn, in IPA; without any, each engine pronounces the phrase itself.
    `hours` of fluent speech without the phrase become long recordings. `is_varied` gives each clip of speech a pace and
    a microphone of its own, and a third of the positives an accent where an engine can speak it.
    """

    phrase: str
    language: str = "en"
    voices: int = len(phrases.VARIANTS)
    seed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    look_alikes: tuple[str, ...] = ()
    piper: str = ""
    least_distance: int = 1
    engines: tuple[str, ...] = ()
    hours: float = 0.0
    pronunciations: tuple[str, ...] = ()
    is_varied: bool = False

    def check(self) -> None:
        """Raises ValueError with what to change."""
        for label, count in self.counts.items():
            if not 0 <= count <= MOST_CLIPS:
                raise ValueError(f"{count} {label} clips are out of range; choose 0 to {MOST_CLIPS:,}.")
        if not 0 <= self.hours <= MOST_HOURS:
            raise ValueError(f"{self.hours:g} hours of speech are out of range; choose 0 to {MOST_HOURS:g}.")
        if self.hours and self.language != speech_streams.LANGUAGE:
            raise ValueError("Hours of speech are made in English only; set them to 0 for other languages.")
        if not self.hours and not any(self.counts.values()):
            raise ValueError("Every count is 0, so there is nothing to make; set at least one.")
        if not 1 <= self.voices <= len(phrases.VARIANTS):
            raise ValueError(f"{self.voices} voices are out of range; choose 1 to {len(phrases.VARIANTS)}.")


def synthesise(workspace: Workspace, recipe: Recipe, report: Report) -> Imported:
    """Add the clips of a recipe to data/raw, as one change that can be undone. Raises ValueError, OSError."""
    recipe.check()
    report(0, 0, "Choosing texts")
    with importing.staging(workspace) as (change_id, folder):
        make(workspace, recipe, folder, report)
        paths = sorted(path for suffix in ("wav", "flac") for path in folder.rglob(f"*.{suffix}"))
        files = [(path.relative_to(folder).as_posix(), path) for path in paths]
        title = f"Synthesised {recipe.phrase}" if recipe.phrase.strip() else "Generated noise and rooms"
        return importing.take(workspace, files, "", title, change_id)


def make(workspace: Workspace, recipe: Recipe, folder: Path, report: Report) -> None:
    """Write every clip of a recipe below `folder`, in a folder for each label. Raises ValueError, OSError."""
    counts = recipe.counts
    negatives = _speak(workspace, recipe, folder, report) if any(counts.get(label) for label in SPEECH) else []
    _write_background(folder / "background", counts.get("background", 0), negatives, recipe.seed, report)
    _write_rooms(folder / "rirs", counts.get("rirs", 0), recipe.seed, report)
    if recipe.hours:
        _write_hours(folder, recipe, report)


def _write_hours(folder: Path, recipe: Recipe, report: Report) -> None:
    """Write speech without the phrase as long recordings, each a source of its own for the split."""
    phrase = phrases.check(recipe.phrase, phrases.find_language(recipe.language))
    speech_streams.write(folder / "speech", phrase, 3600 * recipe.hours, recipe.seed, report)
    for file in sorted((folder / "speech").glob("*.flac")):
        place = folder / STREAM / f"{SYNTHETIC_PREFIX}speech-{recipe.seed}-{file.stem}"
        place.mkdir(parents=True)
        file.rename(place / file.name)


def _speak(workspace: Workspace, recipe: Recipe, folder: Path, report: Report) -> list[Path]:
    """Write the speech of a recipe; returns the negatives, from which babble is mixed."""
    language = phrases.find_language(recipe.language)
    phrase = phrases.check(recipe.phrase, language)
    speakers = engines.choose(workspace, recipe.engines, language, recipe.piper)
    given = [pronunciation.check(ipa, language) for ipa in recipe.pronunciations]
    rng, texts = random.Random(recipe.seed), _texts(recipe, phrase)
    spoken = [list[Utterance]() for _ in speakers]
    for label in SPEECH:
        for engine, numbers, own in zip(speakers, shares(recipe, speakers, label)[0], spoken, strict=True):
            voices = engine.voices(language)[: recipe.voices]
            ipa = given if label == "positive" else ()
            every = utterances(texts[label], voices, len(numbers), folder / label, rng, numbers.start, ipa)
            own += map(clip_sound.varied, every) if recipe.is_varied else every
    for engine, numbers, own in zip(speakers, shares(recipe, speakers, "positive")[1], spoken, strict=True):
        voices = engine.voices(language)[: recipe.voices]
        every = utterances(
            [phrase], voices, len(numbers), folder / "positive", rng, numbers.start, given, accents.RATES
        )
        own += [replace(clip_sound.varied(each), is_accented=True) for each in every]
    total, done = sum(map(len, spoken)), 0
    for engine, own in zip(speakers, spoken, strict=True):

        def progress(new: int, before: int = done) -> None:
            report(before + new, total, f"Speaking {phrase} and other words")

        if own:
            engine.speak(own, language, progress)
        done += len(own)
    negative = folder / "negative"
    return [each.path for own in spoken for each in own if each.path.is_relative_to(negative)]


def shares(recipe: Recipe, speakers: Sequence[Engine], label: str) -> tuple[list[range], list[range]]:
    """The numbers of the clips of a label that each engine speaks, and of those with an accent."""
    count = recipe.counts.get(label, 0)
    is_wanted = recipe.is_varied and label == "positive"
    able = [is_wanted and engines.has_accents(engine, recipe.language) for engine in speakers]
    accented = accents.count_of(count) if any(able) else 0
    plain = count - accented
    return engines.divide(speakers, plain), [range(plain, count) if can else range(0) for can in able]


def _texts(recipe: Recipe, phrase: str) -> dict[str, list[str]]:
    """The texts to speak, by label."""
    language = phrases.find_language(recipe.language)
    hard = phrases.check_texts(recipe.look_alikes, phrase, language)
    if not hard and recipe.counts.get("hard_negative"):
        hard = phrases.look_alikes(phrase, language, recipe.least_distance)
    other = phrases.other_texts(phrase, recipe.counts.get("negative", 0), recipe.seed, language)
    return {"positive": [phrase], "hard_negative": hard, "negative": other}


def utterances(
    texts: Sequence[str],
    voices: Sequence[str],
    count: int,
    folder: Path,
    rng: random.Random,
    first: int = 0,
    pronunciations: Sequence[str] = (),
    rates: tuple[int, int] = RATES,
) -> list[Utterance]:
    """`count` utterances below the folder of a label: texts and voices in turn, with random rate, pitch and level.

    They are numbered from `first`. The name of each file contains the text, from which streams.spoken reads the phrase.
    Every voice speaks every one of the `pronunciations` in turn.
    """
    every = []
    for number in range(first, first + count):
        voice, text = voices[number % len(voices)], texts[(number * 7919) % len(texts)]
        path = (
            folder
            / f"{SYNTHETIC_PREFIX}{voice.replace('+', '-')}"
            / (file_names.safe_part(f"{number:05d} {text}") + ".wav")
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        turn = number + number // len(voices)
        ipa = pronunciations[turn % len(pronunciations)] if pronunciations else ""
        every.append(
            Utterance(
                text=text,
                voice=voice,
                rate=rng.randint(*rates),
                pitch=rng.randint(25, 75),
                lead_seconds=rng.uniform(0.1, 0.8),
                tail_seconds=rng.uniform(0.3, 0.8),
                level_db=rng.uniform(-32, -18),
                seed=rng.getrandbits(32),
                path=path,
                pronunciation=ipa,
            )
        )
    return every


def _write_background(folder: Path, count: int, voices: Sequence[Path], seed: int, report: Report) -> None:
    """Write noise of every kind in turn, including babble if there are clips in `voices`."""
    kinds = [*acoustics.KINDS, *(["babble"] if voices else [])]
    for number in range(count):
        rng, kind = np.random.default_rng([seed, number, 2]), kinds[number % len(kinds)]
        if kind == "babble":
            chosen = rng.choice(len(voices), min(16, len(voices)), replace=False)
            spoken = [soundfile.read(voices[index], dtype="float32")[0] for index in chosen]
            wave = acoustics.babble(spoken, BACKGROUND_SECONDS, rng)
        else:
            wave = acoustics.noise(kind, BACKGROUND_SECONDS, rng)
        _write(folder, kind, number, wave)
        report(number + 1, count, "Generating noise")


def _write_rooms(folder: Path, count: int, seed: int, report: Report) -> None:
    """Write room impulse responses, POSITIONS_PER_ROOM for each room."""
    for room, first in enumerate(range(0, count, POSITIONS_PER_ROOM)):
        rng = np.random.default_rng([seed, room, 3])
        rirs = acoustics.room_responses(min(POSITIONS_PER_ROOM, count - first), rng)
        for number, rir in enumerate(rirs, first):
            _write(folder, f"room{room:03d}", number, rir)
        report(first + len(rirs), count, "Generating room impulse responses")


def _write(folder: Path, kind: str, number: int, wave: np.ndarray) -> None:
    place = folder / f"{SYNTHETIC_PREFIX}{kind}"
    place.mkdir(parents=True, exist_ok=True)
    soundfile.write(place / f"{number:03d}.wav", wave, SAMPLE_RATE, subtype="PCM_16")


@dataclass(frozen=True)
class Sample:
    """A clip (WAV) of the phrase by one voice; `pronunciation` is empty where the engine chose it."""

    engine: str
    voice: str
    pronunciation: str
    wav: bytes


def samples(
    workspace: Workspace, phrase: str, code: str, names: Sequence[str], pronunciations: Sequence[str]
) -> list[Sample]:
    """The phrase by SAMPLES voices of these engines (all that are installed, without names), with the pronunciations in
    turn, as they sound in clips. Raises ValueError for input that cannot be spoken, OSError."""
    language = phrases.find_language(code)
    checked = phrases.check(phrase, language)
    given = [pronunciation.check(ipa, language) for ipa in pronunciations]
    speakers = engines.choose(workspace, names, language, "")
    spoken, rng = list[Sample](), random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        for engine, numbers in zip(speakers, engines.divide(speakers, SAMPLES), strict=True):
            voices = engine.voices(language)[:SAMPLES]
            each_voice = utterances([checked], voices, len(numbers), Path(folder), rng, numbers.start, given)
            engine.speak(each_voice, language, lambda done: None)
            spoken += [
                Sample(
                    engine.name, each.voice.removeprefix(f"{engine.name}-"), each.pronunciation, each.path.read_bytes()
                )
                for each in each_voice
            ]
    return spoken
