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
from trainer.dataset.findings import SPEECH
from trainer.system import durable, regular_file
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

EXACT = 1_000
"""The rank of an exact match, above the number of parts of any path."""
PLACE = "{speaker}"
FILE, CSV_FILE = "speakers.json", "speakers.csv"
LONGEST_PATTERN = 200
NO_TABLE = "There is no table of speakers yet. Upload a CSV file with the columns path and speaker."


@dataclass(frozen=True)
class Matched:
    """`speakers`: one for each clip, empty where no row matches it. `unmatched`: rows that match no clip."""

    speakers: list[str]
    unmatched: list[str]


def _parts(path: str) -> list[str]:
    """Normalised parts of a path: equal for paths that differ in case, separators, accents, a leading ./ or the
    spelling of a label, and for the name of a file before and after its import."""
    *folders, name = file_names.safe_path(path).split("/")
    return [*(file_names.label_of(folder) or folder.casefold() for folder in folders), name.casefold()]


def _suffixes(parts: Sequence[str]) -> list[str]:
    """A path without its first 0, 1, … folders."""
    return ["/".join(parts[start:]) for start in range(len(parts))]


def match(paths: Sequence[str], table: Mapping[str, str]) -> Matched:
    """Give each clip (a path below data/raw) the speaker of the row that matches most of its path.

    A row is a file name, which matches every clip of that name, or a path, which matches clips that share its end, at
    least file name and folder. The suffix may be omitted.
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
    """The number of rows that match no clip, with an example and the correct form; empty when there are none."""
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
    """How speakers are identified; stored in data/speakers.json, with the table of names in data/speakers.csv.

    folder: the first folder below the label. pattern: the part of the file name at {speaker}, where * matches
    anything; a pattern with / is matched against the path below the label. pattern_or_folder: the part at {speaker} of
    the path below the label, and the folder of clips that the pattern does not match or that are not speech. csv: a
    table with the columns `path` (a file name, or a path below data/raw) and `speaker`, see `match`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["folder", "pattern", "pattern_or_folder", "csv"] = "folder"
    pattern: str = ""


def load_rule(workspace: Workspace) -> Rule:
    """The current rule; by default, speakers are folders."""
    try:
        return Rule.model_validate(durable.read_json(workspace.root / "data" / FILE))
    except ValidationError:
        return Rule()


def save_rule(workspace: Workspace, rule: Rule, names: bytes | None = None) -> None:
    """Save a rule and the CSV table that it reads. Raises ValueError for an invalid pattern or table, OSError."""
    if rule.pattern or rule.kind == "pattern":
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
    """The pattern as a regular expression. Raises ValueError with the correct form."""
    if pattern.count(PLACE) != 1 or len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"The pattern {pattern!r:.80} must contain {PLACE} once, such as {PLACE}_*.wav.")
    if f"*{PLACE}" in pattern or f"{PLACE}*" in pattern or "**" in pattern:
        raise ValueError(f"In {pattern!r:.80} the position of {PLACE} is ambiguous; put text before or after it.")
    first, *rest = re.split(r"(\{speaker\}|\*)", pattern)
    pairs = list(zip(rest[::2], rest[1::2], strict=True))  # a placeholder and the text after it
    parts = [(r"(?P<speaker>[^/]+?)" if holder == PLACE else r"[^/]*?") + re.escape(text) for holder, text in pairs]
    # atomic groups except for the last: the text after a placeholder matches where it first occurs; no backtracking
    return re.compile(re.escape(first) + "".join(f"(?>{part})" for part in parts[:-1]) + parts[-1])


def _rows(text: str) -> list[dict[str, str]]:
    """Rows of a table separated by commas, semicolons or tabs; column names in lower case."""
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
        raise ValueError(f"The table of speakers cannot be read ({error}). Save it as CSV in UTF-8.") from None
    if not rows or not {"path", "speaker"} <= set(rows[0]):
        raise ValueError(
            "The table of speakers needs a header with the columns path and speaker, and at least one row."
        )
    pairs = ((row["path"].strip(), row["speaker"].strip()) for row in rows if row["path"] and row["speaker"])
    return {path: speaker for path, speaker in pairs if path and speaker}


def saved_names(workspace: Workspace) -> dict[str, str]:
    """The saved table. Raises ValueError when there is none."""
    try:
        return read_names(regular_file.read_bytes(workspace.root / "data" / CSV_FILE))
    except FileNotFoundError:
        raise ValueError(NO_TABLE) from None


def of_paths(paths: pd.Series, rule: Rule, names: dict[str, str]) -> pd.Series:
    """The speaker of each path below data/raw; empty where unknown."""
    parts = [path.split("/", 2) for path in paths]
    folders = pd.Series([part[1] if len(part) > 2 else "" for part in parts], index=paths.index, dtype="str")
    if rule.kind == "folder":
        return folders
    if rule.kind == "csv":
        return pd.Series(match(paths.tolist(), names).speakers, index=paths.index, dtype="str")
    below = paths.str.split("/", n=1).str[1]
    name = paths.str.rsplit("/", n=1).str[-1]
    expression = compiled(rule.pattern)
    is_path = "/" in rule.pattern or rule.kind == "pattern_or_folder"
    matched = [expression.fullmatch(text) for text in (below if is_path else name)]
    found = pd.Series([match["speaker"] if match else "" for match in matched], index=paths.index, dtype="str")
    if rule.kind != "pattern_or_folder":
        return found
    spoken = paths.str.split("/", n=1).str[0].isin(SPEECH)  # numbered noise and rooms are nobody
    return found.where(spoken & (found != ""), folders)


def current(workspace: Workspace, paths: pd.Series) -> pd.Series:
    """The speaker of each path by the current rule."""
    rule = load_rule(workspace)
    names: dict[str, str] = {}
    try:
        if rule.kind == "csv":
            names = saved_names(workspace)
        return of_paths(paths, rule, names)
    except (OSError, ValueError):  # a damaged table or pattern: all speakers are unknown
        return pd.Series("", index=paths.index, dtype="str")


def problem(workspace: Workspace, paths: pd.Series) -> str:
    """Why the current rule cannot identify the speakers of these clips, as a sentence; empty when it can."""
    rule = load_rule(workspace)
    try:
        if rule.kind == "csv":
            table = saved_names(workspace)
            return sentence(match(paths.tolist(), table).unmatched, len(table))
        of_paths(paths.iloc[:0], rule, {})
    except (OSError, ValueError) as error:
        return f"The saved speaker rule matches no clip: {error}"
    return ""
