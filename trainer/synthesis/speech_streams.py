"""Hours of fluent synthetic speech without the word, as long recordings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from trainer.audio import audio_file, sound_levels
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.synthesis import acoustics, espeak, phrases
from trainer.synthesis.clip_sound import Utterance
from trainer.system import parallel
from trainer.system.job import Report
from trainer.system.parallel import Advance

SECONDS_PER_POSITIVE = 19.2
"""3.2 hours for the 600 positives of the default demo, in which a curve of false accepts per hour bends."""
MOST_SECONDS = 4 * 3600
LANGUAGE = "en"
"""Sentences are made in this language alone."""
PASSAGE_SENTENCES, PASSAGE_SECONDS = 10, 26.5
"""Sentences that a voice speaks in a row, and about how long they take."""
RECORDING_PASSAGES = 18
NOISES = 2
"""Stretches with noise or music under the speech of a recording."""
NOISE_SECONDS = 60.0
SNR_DB = (5.0, 20.0)


def seconds_of(positives: int) -> float:
    """About how much speech a demo with so many positives gets."""
    return min(MOST_SECONDS, SECONDS_PER_POSITIVE * positives)


def write(folder: Path, phrase: str, seconds: float, seed: int, report: Report) -> float:
    """Write about so many seconds of speech without an English phrase as FLAC files; returns how many it became.

    Every passage is of another voice. Raises ValueError, OSError.
    """
    parts = folder / "parts"
    parts.mkdir(parents=True)
    passages = _passages(phrase, max(1, round(seconds / PASSAGE_SECONDS)), seed, parts)
    espeak.speak(passages, lambda done: report(done, len(passages), "Speaking sentences without the phrase"))
    groups = [passages[first : first + RECORDING_PASSAGES] for first in range(0, len(passages), RECORDING_PASSAGES)]
    lengths = parallel.run(
        [partial(_write_recording, folder, group, seed, number) for number, group in enumerate(groups)],
        espeak.PROCESSES,
        lambda done: report(done, len(groups), "Adding noise to sentences"),
    )
    parts.rmdir()
    return sum(lengths)


def _write_recording(folder: Path, passages: Sequence[Utterance], seed: int, number: int, advance: Advance) -> float:
    """Write one recording; returns its length in seconds."""
    wave = _with_noise(_joined(passages), np.random.default_rng([seed, number, 4]))
    audio_file.write(folder / f"{number:03d}.flac", wave, SAMPLE_RATE)
    advance(1)
    return len(wave) / SAMPLE_RATE


def _passages(phrase: str, count: int, seed: int, folder: Path) -> list[Utterance]:
    rng, voices = random.Random(seed), phrases.LANGUAGES[LANGUAGE].voices
    texts = phrases.fluent_sentences(phrase, count * PASSAGE_SENTENCES, seed)
    return [
        Utterance(
            text=". ".join(texts[number * PASSAGE_SENTENCES : (number + 1) * PASSAGE_SENTENCES]),
            voice=voices[number % len(voices)],
            rate=rng.randint(140, 210),
            pitch=rng.randint(25, 75),
            lead_seconds=rng.uniform(0.2, 1.0),
            tail_seconds=rng.uniform(0.2, 1.5),
            level_db=rng.uniform(-32, -18),
            seed=rng.getrandbits(32),
            path=folder / f"{number:05d}.wav",
        )
        for number in range(count)
    ]


def _joined(passages: Sequence[Utterance]) -> NDArray[np.float32]:
    """The speech of passages in a row; their files are removed."""
    waves = [soundfile.read(each.path, dtype="float32")[0] for each in passages]
    for each in passages:
        each.path.unlink()
    return np.concatenate(waves)


def _with_noise(wave: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Speech with stretches of noise and music under it."""
    kinds = rng.permutation(list(acoustics.KINDS))[:NOISES]
    for kind in kinds.tolist():
        noise = acoustics.noise(kind, min(NOISE_SECONDS, len(wave) / SAMPLE_RATE), rng)
        first = int(rng.integers(0, len(wave) - len(noise) + 1))
        speech = wave[first : first + len(noise)]
        level = sound_levels.level_db(speech) - rng.uniform(*SNR_DB)
        speech += sound_levels.at_level(noise[: len(speech)], level, noise)
    return np.clip(wave, -1, 1)
