"""Piper voices of the user that are kept in the workspace: copied from files, each tried out, listed and removed.

There is no catalog of them: whoever has a voice knows its licence. A voice is a program of a stranger, so it runs only
in a process with limits (see `voice_process`).
"""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from trainer.synthesis import phrases, piper
from trainer.synthesis.piper import PiperVoice
from trainer.system import download, durable
from trainer.system.display_text import counted
from trainer.system.job import Report
from trainer.system.workspace import Workspace

RECORD = "installed.json"
TITLE = "Piper"
MOST_VOICES = 200


class Record(BaseModel):
    """The seconds that a clip of each voice takes, by the name of its file."""

    seconds: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True)
class Added:
    """The names of the voices that `get` added, and of those that were there."""

    new: Sequence[str]
    known: Sequence[str]

    def sentence(self) -> str:
        if not self.new:
            return f"{', '.join(self.known)}: already installed."
        names = ", ".join(self.new)
        return f"Installed {counted(len(self.new), 'Piper voice')}: {names}. Next, synthesise clips."

    def document(self) -> dict[str, Any]:
        return {"name": piper.NAME, "installed": True, "added": list(self.new)}


def folder(workspace: Workspace) -> Path:
    """Where the voices lie."""
    return workspace.voices / piper.NAME


def installed(workspace: Workspace) -> list[PiperVoice]:
    """The voices that are kept here; those whose description was damaged are left out."""
    voices = list[PiperVoice]()
    for file in sorted(folder(workspace).glob("*.onnx")):
        with suppress(ValueError, OSError):
            voices.append(piper.load(file))
    return voices


def get(workspace: Workspace, source: str, report: Report) -> Added:
    """Copy the voices at a path, a file or a folder, when each of them speaks. Raises ValueError, OSError."""
    if not source.strip():
        raise ValueError("Piper voices come from your files: give a file NAME.onnx or a folder with --from.")
    voices = piper.voices_at(source)
    if len(voices) > MOST_VOICES:
        raise ValueError(f"{source} holds {len(voices)} voices; give a folder with at most {MOST_VOICES}.")
    with download.only_one(workspace.voices / f"{piper.NAME}.lock", TITLE):
        kept = {voice.path.name: voice.path for voice in installed(workspace)}
        known = [voice for voice in voices if _is_same(voice, kept.get(voice.path.name))]
        new = [voice for voice in voices if voice not in known]
        _check(new, kept)
        download.check_space(workspace.voices, sum(voice.path.stat().st_size for voice in new), TITLE)
        seconds = dict[str, float]()
        for number, voice in enumerate(new):
            report(number, len(new), f"Trying out {voice.path.stem}")
            seconds[voice.path.name] = piper.seconds_per_clip(voice)
        _copy(workspace, new, seconds)
    return Added([voice.path.stem for voice in new], [voice.path.stem for voice in known])


def _is_same(voice: PiperVoice, kept: Path | None) -> bool:
    if kept is None:
        return False
    pairs = ((voice.path, kept), (piper.description_file(voice.path), piper.description_file(kept)))
    return all(filecmp.cmp(one, two, shallow=False) for one, two in pairs)


def _check(new: Sequence[PiperVoice], kept: dict[str, Path]) -> None:
    """Raises ValueError when two different voices have one name."""
    names = [voice.path.name for voice in new]
    twice = [name for name in names if name in kept or names.count(name) > 1]
    if twice:
        raise ValueError(f"There are two different voices {twice[0]}. Rename one of them, with its .json.")


def _copy(workspace: Workspace, new: Sequence[PiperVoice], seconds: dict[str, float]) -> None:
    """Copy voices; each appears when both of its files are complete. Raises OSError."""
    place = folder(workspace)
    place.mkdir(exist_ok=True)
    for voice in new:
        for source in (piper.description_file(voice.path), voice.path):  # the network last: it is what is looked for
            partial = place / f"{source.name}.partial"
            try:
                shutil.copyfile(source, partial)
                durable.replace(partial, place / source.name)
            finally:
                partial.unlink(missing_ok=True)
    noted = durable.read_document(Record, place / RECORD) or Record()
    durable.replace_json(place / RECORD, Record(seconds=noted.seconds | seconds).model_dump())


def remove(workspace: Workspace) -> int:
    """Delete the copies; returns the bytes that this frees. Raises ValueError when there are none, OSError."""
    with download.only_one(workspace.voices / f"{piper.NAME}.lock", TITLE):
        if not folder(workspace).is_dir():
            raise ValueError(f"{TITLE} has no voices here.")
        freed = _bytes(workspace)
        shutil.rmtree(folder(workspace))
    return freed


def _bytes(workspace: Workspace) -> int:
    return sum(path.stat().st_size for path in folder(workspace).glob("*") if path.is_file())


def document(workspace: Workspace) -> dict[str, Any]:
    """The voices that are kept here, as a JSON document."""
    voices = installed(workspace)
    noted = durable.read_document(Record, folder(workspace) / RECORD) or Record()
    seconds = [noted.seconds[voice.path.name] for voice in voices if voice.path.name in noted.seconds]
    spoken = {piper.language_of(voice) for voice in voices}
    return {
        "name": piper.NAME,
        "title": TITLE,
        "installed": bool(voices),
        "licence": "that of each voice",
        "megabytes": round(_bytes(workspace) / 1e6, 1),
        "voices": len(piper.named_speakers(voices)),
        "languages": [code for code in phrases.LANGUAGES if code in spoken],
        "seconds_per_clip": round(sum(seconds) / len(seconds), 2) if seconds else None,
        "attribution": "your own files",
        "homepage": "https://github.com/OHF-Voice/piper1-gpl",
        "downloaded_bytes": 0,
    }
