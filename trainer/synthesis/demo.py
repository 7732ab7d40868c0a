"""The demo data set: synthetic speech, noise and rooms for trying the app without a recording of one's own."""

from __future__ import annotations

import random
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import soundfile

from trainer.config import SAMPLE_RATE
from trainer.job import Report
from trainer.processes import exclusive_lock
from trainer.synthesis import noise, phrases, rooms, speech
from trainer.synthesis.speech import VOICES, Utterance
from trainer.workspace import LABELS, Workspace

PREFIX = "demo-"
PARTIAL = "demo.partial"
LOCK = "demo.lock"
FEWEST, MOST = 10, 20_000
POSITIONS_IN_A_ROOM = 3
BACKGROUND_SECONDS = 8.0


@dataclass(frozen=True)
class Counts:
    """How many clips of each label are made for a number of positives: three others for each."""

    positive: int

    @property
    def hard_negative(self) -> int:
        return self.positive * 9 // 10

    @property
    def rirs(self) -> int:
        return max(POSITIONS_IN_A_ROOM * 3, self.positive // 10)

    @property
    def background(self) -> int:
        return max(2 * len(noise.KINDS), self.positive * 2 // 15)

    @property
    def negative(self) -> int:
        return max(self.positive, 3 * self.positive - self.hard_negative - self.rirs - self.background)


def _utterances(label: str, texts: Sequence[str], count: int, folder: Path, rng: random.Random) -> list[Utterance]:
    """`count` clips: texts and voices by turns, rate, pitch, level and place in the clip at random."""
    made = []
    for number in range(count):
        voice = VOICES[number % len(VOICES)]
        path = folder / label / f"{PREFIX}{voice.replace('+', '-')}" / f"{number:05d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        made.append(
            Utterance(
                text=texts[(number * 7919) % len(texts)] if label != "positive" else texts[0], voice=voice,
                rate=rng.randint(125, 210), pitch=rng.randint(25, 75), lead_seconds=rng.uniform(0.1, 0.8),
                tail_seconds=rng.uniform(0.3, 0.8), level_db=rng.uniform(-32, -18), seed=rng.getrandbits(32), path=path,
            )
        )  # fmt: skip
    return made


def _write(folder: Path, kind: str, number: int, wave: np.ndarray) -> None:
    place = folder / f"{PREFIX}{kind}"
    place.mkdir(parents=True, exist_ok=True)
    soundfile.write(place / f"{number:03d}.wav", wave, SAMPLE_RATE, subtype="PCM_16")


def _make_background(folder: Path, count: int, voices: list[Path], seed: int, report: Report) -> None:
    kinds = [*noise.KINDS, "babble"]
    for number in range(count):
        rng, kind = np.random.default_rng([seed, number, 2]), kinds[number % len(kinds)]
        if kind == "babble":
            chosen = rng.choice(len(voices), min(16, len(voices)), replace=False)
            spoken = [soundfile.read(voices[index], dtype="float32")[0] for index in chosen]
            wave = noise.babble(spoken, BACKGROUND_SECONDS, rng)
        else:
            wave = noise.make(kind, BACKGROUND_SECONDS, rng)
        _write(folder, kind, number, wave)
        report(number + 1, count, "Making noise")


def _make_rooms(folder: Path, count: int, seed: int, report: Report) -> None:
    for room in range(-(-count // POSITIONS_IN_A_ROOM)):
        first = room * POSITIONS_IN_A_ROOM
        rng = np.random.default_rng([seed, room, 3])
        for number, rir in enumerate(rooms.responses(min(POSITIONS_IN_A_ROOM, count - first), rng), first):
            _write(folder, f"room{room:03d}", number, rir)
        report(min(first + POSITIONS_IN_A_ROOM, count), count, "Building rooms")


def _holds_a_file(place: Path) -> bool:
    return not place.is_dir() or any(_holds_a_file(inner) for inner in place.iterdir())


def _check_empty(workspace: Workspace) -> None:
    """Refuse to mix synthetic clips with clips of the user's own."""
    for label in LABELS:
        folder = workspace.raw / label
        places = folder.iterdir() if folder.is_dir() else ()
        own = next(
            (place for place in places if not place.name.startswith((PREFIX, ".")) and _holds_a_file(place)), None
        )
        if own:
            raise ValueError(
                f"data/raw/{label} holds clips of your own ({own.name}); demo data is not mixed with them. "
                "Choose another workspace with --root or WAKEWORD_ROOT, or move them away first."
            )


def _put_in_place(workspace: Workspace, partial: Path) -> None:
    """Move earlier demo folders to the trash, then the new ones into data/raw."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    trash = workspace.root / "data" / "trash" / f"demo-{stamp}-{secrets.token_hex(2)}"
    for label in LABELS:
        earlier = sorted((workspace.raw / label).glob(f"{PREFIX}*"))
        for folder in earlier:
            (trash / label).mkdir(parents=True, exist_ok=True)
            folder.rename(trash / label / folder.name)
        (workspace.raw / label).mkdir(parents=True, exist_ok=True)
        for folder in sorted((partial / label).iterdir()):
            folder.rename(workspace.raw / label / folder.name)


def make(workspace: Workspace, phrase: str, positives: int, seed: int, report: Report) -> dict[str, int]:
    """Make the data set for a phrase in data/raw; returns clips by label. The same arguments give the same bytes.

    Each clip lies in a folder named after its voice (kind of noise, room), which is the group for splitting. All is
    made aside and moved into place at the end; an earlier demo goes to data/trash. Raises ValueError for a phrase
    that cannot be spoken, or when data/raw holds clips of the user's own; OSError.
    """
    phrase = phrases.check(phrase)
    if not FEWEST <= positives <= MOST:
        raise ValueError(f"{positives} positives cannot be made; choose {FEWEST} to {MOST:,}.")
    data = workspace.root / "data"
    data.mkdir(parents=True, exist_ok=True)
    report(0, 0, "Finding look-alikes")
    with exclusive_lock(data / LOCK), _aside(data / PARTIAL) as partial:
        _check_empty(workspace)
        made = _make_aside(partial, phrase, Counts(positives), seed, report)
        _put_in_place(workspace, partial)
    return made


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """A folder that is empty at first, whatever a killed demo left there, and gone at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_aside(folder: Path, phrase: str, counts: Counts, seed: int, report: Report) -> dict[str, int]:
    """Make every clip below `folder`; returns clips by label."""
    rng = random.Random(seed)
    texts = {
        "positive": [phrase],
        "hard_negative": phrases.look_alikes(phrase, speech.phonemes),
        "negative": phrases.other_texts(phrase, counts.negative, seed, speech.phonemes),
    }
    spoken = {label: _utterances(label, chosen, getattr(counts, label), folder, rng) for label, chosen in texts.items()}
    everything = [utterance for utterances in spoken.values() for utterance in utterances]
    speech.speak(everything, lambda done: report(done, len(everything), f"Speaking {phrase} and other words"))
    _make_background(folder / "background", counts.background, [u.path for u in spoken["negative"]], seed, report)
    _make_rooms(folder / "rirs", counts.rirs, seed, report)
    return {
        **{label: len(made) for label, made in spoken.items()},
        "background": counts.background,
        "rirs": counts.rirs,
    }
