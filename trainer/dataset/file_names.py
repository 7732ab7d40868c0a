"""Names of files and folders: safe names from untrusted ones, labels of folders, audio and hidden files."""

from __future__ import annotations

import os
import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from trainer.audio.audio_formats import SUFFIXES
from trainer.system.workspace import LABELS, Workspace

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 100
UNNAMED = "unnamed"
"""Replaces a name of which nothing is left."""
_RESERVED = set('<>:"\\|?*')


def _cleaned(text: str) -> str:
    allowed = [c for c in text if unicodedata.category(c)[0] != "C" and c not in _RESERVED and c != "/"]
    return " ".join("".join(allowed).split())


def safe_part(name: str) -> str:
    """A safe part of a path: without control characters or characters that other systems reserve, not hidden, not too
    long. Empty if nothing is left.
    """
    composed = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    suffix = _cleaned(PurePosixPath(composed.rstrip(". ")).suffix)
    name = _cleaned(composed).strip(". -")
    if suffix.strip(".") and not PurePosixPath(name).suffix:  # of "-.wav", only the stem is lost
        name = UNNAMED + suffix
    if len(name.encode()) <= LONGEST:
        return name
    suffix = PurePosixPath(name).suffix[:10]
    head = name.removesuffix(suffix).encode()[: LONGEST - len(suffix.encode())]
    return head.decode(errors="ignore") + suffix


def safe_path(path: str) -> str:
    """A relative path of safe parts, without `..` and a root."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(safe_part(part) or UNNAMED for part in parts)


def label_of(folder: str) -> str:
    """The label that a folder is named after, such as hard_negative for `Hard-Negatives`; else empty."""
    letters = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", folder).casefold()))
    return next((label for label in LABELS if letters.rstrip("s") == label.replace("_", "").rstrip("s")), "")


def label_folders(workspace: Workspace) -> list[str]:
    """The folders in data/raw that are named after a label."""
    if not workspace.raw.is_dir():
        return []
    with os.scandir(workspace.raw) as entries:
        return sorted(entry.name for entry in entries if label_of(entry.name) and entry.is_dir())


def labels_of(paths: pd.Series) -> pd.Series:
    """The label of each path below data/raw, by its first folder."""
    folders = paths.str.split("/", n=1).str[0]
    return folders.map({folder: label_of(folder) for folder in folders.unique()}).astype(object)


def is_audio(name: str) -> bool:
    """Whether the suffix of a file name is one of a supported audio format."""
    return PurePosixPath(safe_part(name)).suffix.lower() in SUFFIXES


def is_hidden(part: str) -> bool:
    """Whether a file or folder is hidden by its name, or created by macOS beside others."""
    return part.startswith(".") or part == "__MACOSX"


def free(path: str, taken: set[str]) -> str:
    """`path`, with a number if it is taken, ignoring case as some file systems do.

    Adds the result to `taken`, which contains casefolded paths.
    """
    stem, suffix = path.removesuffix(PurePosixPath(path).suffix), PurePosixPath(path).suffix
    name, number = path, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem} ({number}){suffix}"
    taken.add(name.casefold())
    return name
