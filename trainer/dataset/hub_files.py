"""Files of data sets on the Hugging Face Hub, which publishes the SHA-256 of each large file.

Its interface is used directly: see docs/decisions/014-public-sound.md and https://huggingface.co/docs/hub/api.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from trainer.dataset import file_names
from trainer.system import download
from trainer.system.download import DownloadError
from trainer.system.job import Report

ENDPOINT_VARIABLE = "HF_ENDPOINT"
"""Names another address of the Hub, as for its own tools."""
MOST_PAGES = 100


class _Lfs(BaseModel):
    oid: str = Field(pattern="^[0-9a-f]{64}$")


class _Entry(BaseModel):
    type: str
    path: str
    size: int = Field(0, ge=0)
    lfs: _Lfs | None = None


class HubFile(BaseModel, frozen=True):
    """A file of a data set: its path there, its size in bytes and its SHA-256."""

    path: str
    size: int
    sha256: str


def endpoint(mirror: str) -> str:
    """The address of the Hub, without a slash at the end."""
    return (mirror or os.environ.get(ENDPOINT_VARIABLE) or "https://huggingface.co").rstrip("/")


def listed(address: str, repo: str) -> list[HubFile]:
    """The files of a data set (owner/name) whose SHA-256 is published. Raises DownloadError."""
    url, files = f"{address}/api/datasets/{repo}/tree/main?recursive=true", list[HubFile]()
    for _ in range(MOST_PAGES):
        data, following = download.read_page(url, f"The list of files of {repo}")
        try:
            entries = TypeAdapter(list[_Entry]).validate_json(data)
        except ValidationError:
            raise DownloadError(
                f"{download.host(address)} is not an address of the Hugging Face Hub. Check it."
            ) from None
        files += [HubFile(path=each.path, size=each.size, sha256=each.lfs.oid) for each in entries if each.lfs]
        if not following:
            break
        url = following
    return files


def fetch(address: str, repo: str, files: Iterable[HubFile], folder: Path, report: Report) -> dict[str, Path]:
    """Download files of a data set below `folder`, each verified; (path in the data set: file). Raises DownloadError.

    Files that an earlier call has downloaded are not fetched again.
    """
    files = list(files)
    places = {file.path: _place(folder, file) for file in files}
    missing = [file for file in files if not places[file.path].is_file()]
    download.check_space(folder, sum(file.size for file in missing), f"{repo} on the Hugging Face Hub")
    for number, file in enumerate(missing, len(files) - len(missing)):
        places[file.path].parent.mkdir(parents=True, exist_ok=True)
        url = f"{address}/datasets/{repo}/resolve/main/{quote(file.path)}"
        progress = report if len(files) == 1 else _progress(report, number, len(files), places[file.path].name)
        download.fetch(url, places[file.path], file.sha256, 0, progress)
    return places


def _place(folder: Path, file: HubFile) -> Path:
    name = file_names.safe_part(PurePosixPath(file.path).name) or file_names.UNNAMED
    return folder / file.sha256[:16] / name


def _progress(report: Report, number: int, total: int, name: str) -> Report:
    """Reports that one of several files is being downloaded."""
    return lambda done, size, doing: report(number, total, name)
