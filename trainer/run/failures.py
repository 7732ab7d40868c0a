"""Why a training failed: the kind of failure, with the facts on which depends what to try."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

Kind = Literal[
    "gpu_memory", "host_memory", "gpu_lost", "disk_full", "disk_error", "read_only", "too_many_files", "folder_gone",
    "clip_missing", "clip_unreadable", "not_finite", "killed", "crashed", "lost", "other",
]  # fmt: skip

_BY_ERRNO: dict[int, Kind] = {
    errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full",
    errno.EIO: "disk_error", errno.ESTALE: "disk_error",
    errno.EROFS: "read_only", errno.EACCES: "read_only", errno.EPERM: "read_only",
    errno.EMFILE: "too_many_files", errno.ENFILE: "too_many_files",
}  # fmt: skip


class Failure(BaseModel, frozen=True):
    """One failure: `path` is the file, folder or clip it is about, `free_bytes` what there was of what ran out."""

    kind: Kind
    path: str = ""
    free_bytes: int | None = None


class FailedError(ValueError):
    """A training that cannot go on, for a reason of which the kind is known; the text is a sentence."""

    def __init__(self, kind: Kind, sentence: str, path: str = "") -> None:
        self.failure = Failure(kind=kind, path=path)
        super().__init__(sentence)


def of_system(error: OSError) -> Failure:
    """The failure behind an error of the operating system."""
    kind = _BY_ERRNO.get(error.errno or 0, "other")
    path = str(error.filename or "")
    return Failure(kind=kind, path=path, free_bytes=_free(path) if kind == "disk_full" and path else None)


def _free(path: str) -> int | None:
    """Bytes free on the disk that holds, or would hold, this file."""
    try:
        return shutil.disk_usage(Path(path).parent).free
    except OSError:
        return None
