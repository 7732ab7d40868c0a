"""Speakers of clips, from folders, a file name pattern or a table; an unknown speaker stays unknown."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from trainer.dataset import file_names
from trainer.system import durable, regular_file
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

EXACT = 1_000
"""Ranks above every number of parts that a path has."""
PLACE = "{speaker}"
FILE, CSV_FILE = "speakers.json", "speakers.csv"
LONGEST_PATTERN = 200
NO_TABLE = "There is no table of speakers yet. Upload a CSV file with the columns path and speaker."


@dataclass(frozen=True)
class Matched:
    """`speakers`: one for each clip, an empty text where no row is about it. `unmatched`: rows about no clip."""

    speakers: list[str]
    unmatched: list[str]


def _parts(path: str) -> list[str]:
    """Equal for paths that differ in case, separators, composed accents, a leading ./ or the spelling of a label, and
    for a name before and after an import made it safe."""
    *folders, name = file_names.safe_path(path).split("/")
    return [*(file_names.label_of(folder) or folder.casefold() for folder in folders), name.casefold()]


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


class Rule(BaseModel):
    """How speakers are known; kept in data/speakers.json, the table of names in data/speakers.csv beside it.

    folder: the first folder below the label. pattern: the part of the file name at {speaker}, where * stands for
    anything; with a / in it the pattern is for the path below the label. csv: columns `path` (a file name, or a path
    below data/raw) and `speaker`, see `match`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["folder", "pattern", "csv"] = "folder"
    pattern: str = ""


def load_rule(workspace: Workspace) -> Rule:
    """The rule in force: speakers are folders unless the user has said otherwise."""
    try:
        return Rule.model_validate(durable.read_json(workspace.root / "data" / FILE))
    except ValidationError:
        return Rule()


def save_rule(workspace: Workspace, rule: Rule, names: bytes | None = None) -> None:
    """Keep a rule, and with it the CSV table that it reads. Raises ValueError when it cannot work, OSError."""
    if rule.kind == "pattern":
        compiled(rule.pattern)
    data = workspace.root / "data"
    data.mkdir(parents=True, exist_ok=True)
    if rule.kind == "csv":
        if names is None and not (data / CSV_FILE).exists():
            raise ValueError(NO_TABLE)
        if names is not None:
            read_names(names)
            durable.replace_bytes(data / CSV_FILE, names)
    durable.replace_json(data / FILE, rule.model_dump())


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression. Raises ValueError with what to write instead."""
    if pattern.count(PLACE) != 1 or len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"The pattern {pattern!r:.80} must contain {PLACE} once, such as {PLACE}_*.wav.")
    if f"*{PLACE}" in pattern or f"{PLACE}*" in pattern or "**" in pattern:
        raise ValueError(f"In {pattern!r:.80} the position of {PLACE} is ambiguous; put text before or after it.")
    first, *rest = re.split(r"(\{speaker\}|\*)", pattern)
    pairs = list(zip(rest[::2], rest[1::2], strict=True))  # a place holder and the text after it
    made = [(r"(?P<speaker>[^/]+?)" if holder == PLACE else r"[^/]*?") + re.escape(text) for holder, text in pairs]
    # Atomic but for the last: the text after a place holder is taken where it first stands, and never tried again.
    return re.compile(re.escape(first) + "".join(f"(?>{part})" for part in made[:-1]) + made[-1])


def _rows(text: str) -> list[dict[str, str]]:
    """Rows of a table whose columns are parted by commas, semicolons or tabs; names of columns in small letters."""
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    return list(reader)


def read_names(data: bytes) -> dict[str, str]:
    """Speakers by file name or path, from a CSV table. Raises ValueError."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        rows = _rows(data.decode(encoding).lstrip())
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"The table of speakers cannot be read ({error}); save it as CSV in UTF-8.") from None
    if not rows or not {"path", "speaker"} <= set(rows[0]):
        raise ValueError(
            "The table of speakers needs a first line with the columns path and speaker, followed by rows."
        )
    told = ((row["path"].strip(), row["speaker"].strip()) for row in rows if row["path"] and row["speaker"])
    return {path: speaker for path, speaker in told if path and speaker}


def kept_names(workspace: Workspace) -> dict[str, str]:
    """The table that was kept last. Raises ValueError when there is none."""
    try:
        return read_names(regular_file.read_bytes(workspace.root / "data" / CSV_FILE))
    except FileNotFoundError:
        raise ValueError(NO_TABLE) from None


def of_paths(paths: pd.Series, rule: Rule, names: dict[str, str]) -> pd.Series:
    """The speaker of each path below data/raw; an empty text where it is unknown."""
    if rule.kind == "folder":
        parts = [path.split("/", 2) for path in paths]
        return pd.Series([part[1] if len(part) > 2 else "" for part in parts], index=paths.index, dtype="str")
    if rule.kind == "csv":
        return pd.Series(match(paths.tolist(), names).speakers, index=paths.index, dtype="str")
    below = paths.str.split("/", n=1).str[1]
    name = paths.str.rsplit("/", n=1).str[-1]
    expression = compiled(rule.pattern)
    matched = [expression.fullmatch(text) for text in (below if "/" in rule.pattern else name)]
    return pd.Series([found["speaker"] if found else "" for found in matched], index=paths.index, dtype="str")


def current(workspace: Workspace, paths: pd.Series) -> pd.Series:
    """The speaker of each path by the rule in force."""
    rule = load_rule(workspace)
    names: dict[str, str] = {}
    try:
        if rule.kind == "csv":
            names = kept_names(workspace)
        return of_paths(paths, rule, names)
    except (OSError, ValueError):  # a table or pattern that was damaged by hand: nobody is known
        return pd.Series("", index=paths.index, dtype="str")


def problem(workspace: Workspace, paths: pd.Series) -> str:
    """What keeps the rule in force from telling who speaks in these clips, as a sentence; empty when nothing does."""
    rule = load_rule(workspace)
    try:
        if rule.kind == "csv":
            table = kept_names(workspace)
            return sentence(match(paths.tolist(), table).unmatched, len(table))
        of_paths(paths.iloc[:0], rule, {})
    except (OSError, ValueError) as error:
        return f"The saved speaker rule matches no clip: {error}"
    return ""
