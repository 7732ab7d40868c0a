"""The parts of a synthetic data set, each written below one folder: speech by many voices, noise, rooms."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.dataset import file_names
from trainer.synthesis import acoustics
from trainer.synthesis.espeak import Utterance
from trainer.system.job import Report

PREFIX = "demo-"
"""Begins the names of folders with synthetic clips, so that nobody takes them for people."""
POSITIONS_IN_A_ROOM = 3
BACKGROUND_SECONDS = 8.0


def utterances(
    texts: Sequence[str], voices: Sequence[str], count: int, folder: Path, rng: random.Random
) -> list[Utterance]:
    """`count` clips below a label's folder: texts and voices by turns, rate, pitch, level and place at random.

    Each is named after its number and what is said, which an evaluation reads (see evaluation.spoken).
    """
    made = []
    for number in range(count):
        voice, text = voices[number % len(voices)], texts[(number * 7919) % len(texts)]
        path = folder / f"{PREFIX}{voice.replace('+', '-')}" / (file_names.safe_part(f"{number:05d} {text}") + ".wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        made.append(
            Utterance(
                text=text,
                voice=voice,
                rate=rng.randint(125, 210),
                pitch=rng.randint(25, 75),
                lead_seconds=rng.uniform(0.1, 0.8),
                tail_seconds=rng.uniform(0.3, 0.8),
                level_db=rng.uniform(-32, -18),
                seed=rng.getrandbits(32),
                path=path,
            )
        )
    return made


def _write(folder: Path, kind: str, number: int, wave: np.ndarray) -> None:
    place = folder / f"{PREFIX}{kind}"
    place.mkdir(parents=True, exist_ok=True)
    soundfile.write(place / f"{number:03d}.wav", wave, SAMPLE_RATE, subtype="PCM_16")


def write_background(folder: Path, count: int, voices: Sequence[Path], seed: int, report: Report) -> None:
    """Noise of every kind by turns, among them babble of the clips in `voices` where there are some."""
    kinds = [*acoustics.KINDS, *(["babble"] if voices else [])]
    for number in range(count):
        rng, kind = np.random.default_rng([seed, number, 2]), kinds[number % len(kinds)]
        if kind == "babble":
            chosen = rng.choice(len(voices), min(16, len(voices)), replace=False)
            spoken = [soundfile.read(voices[index], dtype="float32")[0] for index in chosen]
            wave = acoustics.babble(spoken, BACKGROUND_SECONDS, rng)
        else:
            wave = acoustics.make(kind, BACKGROUND_SECONDS, rng)
        _write(folder, kind, number, wave)
        report(number + 1, count, "Making noise")


def write_rooms(folder: Path, count: int, seed: int, report: Report) -> None:
    """Room impulse responses, POSITIONS_IN_A_ROOM for each room."""
    for room in range(-(-count // POSITIONS_IN_A_ROOM)):
        first = room * POSITIONS_IN_A_ROOM
        rng = np.random.default_rng([seed, room, 3])
        for number, rir in enumerate(acoustics.responses(min(POSITIONS_IN_A_ROOM, count - first), rng), first):
            _write(folder, f"room{room:03d}", number, rir)
        report(min(first + POSITIONS_IN_A_ROOM, count), count, "Building rooms")


def told_by(report: Report, total: int, phrase: str) -> Callable[[int], None]:
    """Progress of speaking."""
    return lambda done: report(done, total, f"Speaking {phrase} and other words")
