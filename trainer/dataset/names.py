"""Names of files and folders from strangers made fit for any disk and any page."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

LONGEST = 100
_NOT_ON_EVERY_DISK = set('<>:"\\|?*')


def safe_part(name: str) -> str:
    """One name of a path: no control or direction marks, nothing another system refuses, not hidden, not too long.

    Returns an empty text when nothing is left.
    """
    composed = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    kept = [c for c in composed if unicodedata.category(c)[0] != "C" and c not in _NOT_ON_EVERY_DISK and c != "/"]
    cleaned = " ".join("".join(kept).split()).strip(". -")
    if len(cleaned.encode()) <= LONGEST:
        return cleaned
    suffix = PurePosixPath(cleaned).suffix[:10]
    head = cleaned.removesuffix(suffix).encode()[: LONGEST - len(suffix.encode())]
    return head.decode(errors="ignore") + suffix


def safe_path(path: str) -> str:
    """A path with every part made safe; `..` and absolute beginnings are gone with what they hide behind."""
    parts = [safe_part(part) for part in path.replace("\\", "/").split("/")]
    return "/".join(part for part in parts if part)


def free(path: str, taken: set[str]) -> str:
    """`path`, or with a number if it is taken on a disk that does not tell capitals from small letters.

    The result is added to `taken`, which holds paths with casefold applied.
    """
    stem, suffix = path.removesuffix(PurePosixPath(path).suffix), PurePosixPath(path).suffix
    name, number = path, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem} ({number}){suffix}"
    taken.add(name.casefold())
    return name
