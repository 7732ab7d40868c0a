"""Public corpora in a workspace: which are installed or partly downloaded, where their files go, and their removal."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from trainer.dataset import changes, file_names
from trainer.dataset.changes import RAW, TRASH, Change, Move
from trainer.dataset.corpus_catalog import FEATURES, Corpus, Part
from trainer.system import durable
from trainer.system.workspace import Workspace

BETWEEN = "_"
"""Separates the corpus from the source in the name of a folder; not part of any corpus name."""


class Record(BaseModel):
    """The file of an installed corpus, data/corpora/NAME.json; `files` counts what was installed."""

    name: str
    files: int


def folder(workspace: Workspace) -> Path:
    """Where downloads and records lie."""
    return workspace.root / "data" / "corpora"


def record_file(workspace: Workspace, corpus: Corpus) -> Path:
    return folder(workspace) / f"{corpus.name}.json"


def download_folder(workspace: Workspace, corpus: Corpus) -> Path:
    """Where the download of a corpus lies until it is installed."""
    return folder(workspace) / corpus.name


def targets(corpus: Corpus, paths: Iterable[str]) -> dict[str, str]:
    """Where each file of the corpus goes below the data folder, by its path; others are left out."""
    by_part: list[dict[str, str]] = [{} for _ in corpus.parts]
    taken = set[str]()
    for path in paths:
        for part, files in zip(corpus.parts, by_part, strict=True):
            if match := re.search(part.pattern, path):
                target = _target(corpus, part, match)
                if target.casefold() not in taken:
                    taken.add(target.casefold())
                    files[path] = target
                break
    chosen: dict[str, str] = {}
    for part, files in zip(corpus.parts, by_part, strict=True):
        names = sorted(files, key=lambda path: hashlib.sha256(files[path].encode()).digest())
        chosen |= {path: files[path] for path in names[: part.most or None]}
    return chosen


def _target(corpus: Corpus, part: Part, match: re.Match[str]) -> str:
    if part.label == FEATURES:
        return f"{FEATURES}/{corpus.name}.npy"
    groups = match.groupdict()
    clip = "-".join(filter(None, (groups.get("word"), groups["clip"])))
    return f"{RAW}/" + file_names.safe_path(f"{part.label}/{corpus.name}{BETWEEN}{groups['source']}/{clip}")


def _places(workspace: Workspace, corpus: Corpus) -> list[Path]:
    """The folders of clips of a corpus, and its features."""
    features = workspace.features / f"{corpus.name}.npy"
    folders = [path for path in workspace.raw.glob(f"*/{corpus.name}{BETWEEN}*") if path.is_dir()]
    return [*folders, features] if features.is_file() else folders


def has_files(workspace: Workspace, corpus: Corpus) -> bool:
    """Whether clips or features of the corpus are there."""
    return bool(_places(workspace, corpus))


def is_installed(workspace: Workspace, corpus: Corpus) -> bool:
    """Whether the corpus was installed completely and its files were not taken away, as by Undo and `remove`."""
    record = durable.read_document(Record, record_file(workspace, corpus))
    return record is not None and has_files(workspace, corpus)


def downloaded_bytes(workspace: Workspace, corpus: Corpus) -> int:
    """What a download has stored so far; 0 once the corpus is installed."""
    files = download_folder(workspace, corpus).rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file() and path.suffix != ".json")


def document(workspace: Workspace, corpus: Corpus) -> dict[str, Any]:
    """A corpus and whether it is installed, as a JSON document."""
    return {
        "name": corpus.name,
        "title": corpus.title,
        "installed": is_installed(workspace, corpus),
        "licence": corpus.licence,
        "megabytes": corpus.megabytes,
        "hours": corpus.hours,
        "label": ", ".join(corpus.labels),
        "purpose": corpus.purpose,
        "attribution": corpus.attribution,
        "homepage": corpus.homepage,
        "downloaded_bytes": downloaded_bytes(workspace, corpus),
    }


def discard_download(workspace: Workspace, corpus: Corpus) -> int:
    """Delete what a download has stored; returns the bytes that this frees."""
    freed = downloaded_bytes(workspace, corpus)
    shutil.rmtree(download_folder(workspace, corpus), ignore_errors=True)
    return freed


def remove(workspace: Workspace, corpus: Corpus) -> Change:
    """Move the files of a corpus to the trash as one change. Raises ValueError when there are none, OSError."""
    places = _places(workspace, corpus)
    files = [path for place in places for path in (place, *sorted(place.rglob("*"))) if path.is_file()]
    if not files:
        raise ValueError(f"{corpus.title} is not installed.")
    change_id = changes.new_id()
    sources = [path.relative_to(workspace.root / "data").as_posix() for path in files]
    moves = [Move(source=path, target=f"{TRASH}/{change_id}/{path.removeprefix(f'{RAW}/')}") for path in sources]
    return changes.apply(workspace, f"Removed {corpus.title}", moves, change_id)
