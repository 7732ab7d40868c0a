"""The demo data set: synthetic speech, noise and rooms to try the app without own recordings."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from trainer.dataset import changes, importing
from trainer.dataset.changes import RAW, Move
from trainer.synthesis import acoustics, espeak, languages, phrases, recipe
from trainer.system.job import Report
from trainer.system.workspace import LABELS, Workspace

ENGLISH = languages.find("en")
FEWEST, MOST = 10, 20_000
LEAST_DISTANCE = 2
"""Phonemes between a look-alike and the phrase: what one sound alone tells apart takes longer than a try-out lasts."""


@dataclass(frozen=True)
class Counts:
    """How many clips of each label are made for a number of positives: three others for each."""

    positive: int

    @property
    def hard_negative(self) -> int:
        return self.positive * 9 // 10

    @property
    def rirs(self) -> int:
        return max(recipe.POSITIONS_IN_A_ROOM * 3, self.positive // 10)

    @property
    def background(self) -> int:
        return max(2 * len(acoustics.KINDS), self.positive * 2 // 15)

    @property
    def negative(self) -> int:
        return max(self.positive, 3 * self.positive - self.hard_negative - self.rirs - self.background)


def _holds_a_file(place: Path) -> bool:
    return not place.is_dir() or any(_holds_a_file(inner) for inner in place.iterdir())


def _check_empty(workspace: Workspace) -> None:
    """Refuse to mix synthetic clips with clips of the user's own."""
    for label in LABELS:
        folder = workspace.raw / label
        places = folder.iterdir() if folder.is_dir() else ()
        own = next(
            (place for place in places if not place.name.startswith((recipe.PREFIX, ".")) and _holds_a_file(place)),
            None,
        )
        if own:
            raise ValueError(
                f"data/raw/{label} holds clips of your own ({own.name}); demo data is not mixed with them. "
                "Choose another workspace with --root or WAKEWORD_ROOT, or move them away first."
            )


def _put_in_place(workspace: Workspace, folder: Path, phrase: str, change_id: str) -> None:
    """One change: earlier demo clips to the trash, the new ones into data/raw."""
    data = workspace.root / "data"
    earlier = [
        path.relative_to(workspace.raw).as_posix()
        for label in LABELS
        for path in sorted((workspace.raw / label).glob(f"{recipe.PREFIX}*/**/*"))
        if path.is_file()
    ]
    moves = changes.to_trash(change_id, earlier)
    for path in sorted(folder.rglob("*.wav")):
        target = f"{RAW}/{path.relative_to(folder).as_posix()}"
        moves.append(Move(source=path.relative_to(data).as_posix(), target=target))
    changes.apply(workspace, f"Demo data for {phrase}", moves, change_id)


def make(workspace: Workspace, phrase: str, positives: int, seed: int, report: Report) -> dict[str, int]:
    """Make the data set for a phrase in data/raw; returns clips by label. The same arguments give the same bytes.

    Each clip lies in a folder named after its voice (kind of noise, room), which is the group for splitting. All is
    made aside and moved into place at the end, as one change that can be undone; an earlier demo goes to the trash.
    Raises ValueError for a phrase that cannot be spoken, or when data/raw holds clips of the user's own; OSError.
    """
    phrase = phrases.check(phrase, ENGLISH)
    if not FEWEST <= positives <= MOST:
        raise ValueError(f"{positives} positives cannot be made; choose {FEWEST} to {MOST:,}.")
    _check_empty(workspace)
    report(0, 0, "Finding look-alikes")
    with importing.staging(workspace) as (change_id, folder):
        made = _make_aside(folder, phrase, Counts(positives), seed, report)
        _check_empty(workspace)
        _put_in_place(workspace, folder, phrase, change_id)
    return made


def _make_aside(folder: Path, phrase: str, counts: Counts, seed: int, report: Report) -> dict[str, int]:
    """Make every clip below `folder`; returns clips by label."""
    rng = random.Random(seed)
    texts = {
        "positive": [phrase],
        "hard_negative": phrases.look_alikes(phrase, ENGLISH, LEAST_DISTANCE),
        "negative": phrases.other_texts(phrase, counts.negative, seed, ENGLISH),
    }
    spoken = {
        label: recipe.utterances(chosen, ENGLISH.voices, getattr(counts, label), folder / label, rng)
        for label, chosen in texts.items()
    }
    everything = [utterance for utterances in spoken.values() for utterance in utterances]
    espeak.speak(everything, recipe.told_by(report, len(everything), phrase))
    babble = [utterance.path for utterance in spoken["negative"]]
    recipe.write_background(folder / "background", counts.background, babble, seed, report)
    recipe.write_rooms(folder / "rirs", counts.rirs, seed, report)
    return {
        **{label: len(made) for label, made in spoken.items()},
        "background": counts.background,
        "rirs": counts.rirs,
    }
