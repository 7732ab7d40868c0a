"""The demo data set: synthetic clips of a phrase in every label, and hours of speech without it for evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.dataset import changes, importing
from trainer.dataset.changes import RAW, TRASH, Move
from trainer.synthesis import acoustics, engines, phrases, recipes, speech_streams
from trainer.synthesis.recipes import POSITIONS_PER_ROOM, Recipe
from trainer.system.job import Report
from trainer.system.workspace import LABELS, SYNTHETIC_PREFIX, Workspace

STREAMS = "streams/false_accepts/demo-speech"
"""The folder, below the data folder, of the long recordings of a demo, which every evaluation hears."""
FEWEST_POSITIVES = 10
DISTANCE = 2
"""Phonemes between the phrase and its look-alikes: a short training does not learn a single one."""


def counts_of(positives: int) -> dict[str, int]:
    """Clips of each label in a demo: three others for each positive."""
    hard = positives * 9 // 10
    background = max(2 * len(acoustics.KINDS), positives * 2 // 15)
    rirs = max(POSITIONS_PER_ROOM * 3, positives // 10)
    negatives = max(positives, 3 * positives - hard - rirs - background)
    return {
        "positive": positives,
        "negative": negatives,
        "hard_negative": hard,
        "background": background,
        "rirs": rirs,
    }


@dataclass(frozen=True)
class Demo:
    """What a demo consists of: clips by label, and seconds of synthetic speech without the phrase for evaluations."""

    counts: dict[str, int]
    stream_seconds: float


def make(workspace: Workspace, phrase: str, positives: int, seed: int, report: Report) -> Demo:
    """Make the demo data set of an English phrase. Equal arguments give equal bytes.

    A folder for each voice, kind of noise or room is the group that splits keep together. The clips appear in data/raw
    at the end, as one change that can be undone and that moves an earlier demo to the trash. Raises ValueError for a
    phrase that cannot be spoken, or when data/raw contains the user's own clips; OSError.
    """
    phrase = phrases.check(phrase, phrases.LANGUAGES["en"])
    if not FEWEST_POSITIVES <= positives <= recipes.MOST_CLIPS:
        raise ValueError(
            f"{positives} positives are out of range; choose {FEWEST_POSITIVES} to {recipes.MOST_CLIPS:,}."
        )
    _check_no_own_clips(workspace)
    report(0, 0, "Choosing texts")
    counts, speaker = counts_of(positives), (engines.ESPEAK,)
    recipe = Recipe(phrase, seed=seed, counts=counts, least_distance=DISTANCE, engines=speaker)
    with importing.staging(workspace) as (change_id, folder):
        recipes.make(workspace, recipe, folder, report)
        wanted = speech_streams.seconds_of(positives)
        seconds = speech_streams.write(folder / STREAMS, phrase, wanted, seed, report)
        _check_no_own_clips(workspace)
        replace(workspace, folder, f"Demo data for {phrase}", change_id)
    return Demo(recipe.counts, seconds)


def _check_no_own_clips(workspace: Workspace) -> None:
    """Raises ValueError if data/raw contains clips of the user's own."""
    for label in LABELS:
        folder = workspace.raw / label
        places = folder.iterdir() if folder.is_dir() else ()
        own = next(
            (place for place in places if not place.name.startswith((SYNTHETIC_PREFIX, ".")) and _has_file(place)), None
        )
        if own:
            raise ValueError(
                f"data/raw/{label} contains your own clips ({own.name}), and demo data is not mixed with them. "
                "Choose another workspace with --root or WAKEWORD_ROOT, or move your clips away first."
            )


def _has_file(place: Path) -> bool:
    return not place.is_dir() or any(_has_file(inner) for inner in place.iterdir())


def replace(workspace: Workspace, folder: Path, title: str, change_id: str) -> None:
    """Move all synthetic clips to the trash, and those in `folder` (staged, a folder for each label) into data/raw, as
    one change. Raises ValueError, OSError."""
    data = workspace.root / "data"
    earlier = [
        path.relative_to(workspace.raw).as_posix()
        for label in LABELS
        for path in sorted((workspace.raw / label).glob(f"{SYNTHETIC_PREFIX}*/**/*"))
        if path.is_file()
    ]
    moves = changes.to_trash(change_id, earlier)
    for path in sorted(path for label in LABELS for path in (folder / label).rglob("*") if path.is_file()):
        target = f"{RAW}/{path.relative_to(folder).as_posix()}"
        moves.append(Move(source=path.relative_to(data).as_posix(), target=target))
    moves += _stream_moves(data, folder, change_id)
    changes.apply(workspace, title, moves, change_id)


def _stream_moves(data: Path, folder: Path, change_id: str) -> list[Move]:
    """The moves of the long recordings of an earlier demo to the trash, and of the new ones to their place."""
    earlier, new = sorted((data / STREAMS).glob("*.flac")), sorted((folder / STREAMS).glob("*.flac"))
    trashed = [
        Move(source=f"{STREAMS}/{path.name}", target=f"{TRASH}/{change_id}/{STREAMS}/{path.name}") for path in earlier
    ]
    return trashed + [Move(source=path.relative_to(data).as_posix(), target=f"{STREAMS}/{path.name}") for path in new]
