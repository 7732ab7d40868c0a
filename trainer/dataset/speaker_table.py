"""Matching the rows of a table of speakers to clips, however their paths are written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from trainer.dataset import names
from trainer.system.counted import counted

EXACT = 1_000
"""Ranks above every number of parts that a path has."""


@dataclass(frozen=True)
class Matched:
    """`speakers`: one for each clip, an empty text where no row is about it. `unmatched`: rows about no clip."""

    speakers: list[str]
    unmatched: list[str]


def _parts(path: str) -> list[str]:
    """Equal for paths that differ in case, separators, composed accents, a leading ./ or the spelling of a label, and
    for a name before and after an import made it safe."""
    *folders, name = names.safe_path(path).split("/")
    return [*(names.label_of(folder) or folder.casefold() for folder in folders), name.casefold()]


def _suffixes(parts: Sequence[str]) -> list[str]:
    """A path without its first 0, 1, … folders."""
    return ["/".join(parts[start:]) for start in range(len(parts))]


def match(paths: Sequence[str], table: Mapping[str, str]) -> Matched:
    """Give each clip (a path below data/raw) the speaker of the row that tells its path most exactly.

    A row is a file name, which stands for every clip of that name, or a path that shares its end with those of clips,
    the last folder at least; the ending may be left out.
    """
    clips = defaultdict[str, list[int]](list)
    for number, path in enumerate(paths):
        *folders, name = _parts(path)
        for spelling in {name, PurePosixPath(name).stem}:
            for suffix in _suffixes([*folders, spelling]):
                clips[suffix].append(number)
    speakers, ranks, unmatched = [""] * len(paths), [0] * len(paths), list[str]()
    for row, speaker in table.items():
        parts = _parts(row)
        usable = _suffixes(parts)[: max(1, len(parts) - 1)]
        shared = next((suffix for suffix in usable if suffix in clips), "")
        if not shared:
            unmatched.append(row)
        for number in clips.get(shared, ()):
            rank = EXACT if paths[number] == row else 1 + shared.count("/")
            if rank >= ranks[number]:
                speakers[number], ranks[number] = speaker, rank
    return Matched(speakers, unmatched)


def sentence(unmatched: Sequence[str], rows: int) -> str:
    """Which rows are about no clip, and how they should be written; empty when there are none."""
    if not unmatched:
        return ""
    which = "None of the rows" if len(unmatched) == rows else f"{len(unmatched):,} of {counted(rows, 'row')}"
    verb = "matches" if len(unmatched) == 1 or len(unmatched) == rows else "match"
    none = "a clip" if len(unmatched) == rows else "no clip"
    return (
        f"{which} of the table of speakers {verb} {none}, such as {unmatched[0]!r:.80}. Write file names, or "
        "paths below data/raw such as positive/anna/1.wav, and scan if the clips are new."
    )
