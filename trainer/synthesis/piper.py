"""Voices of Piper that the user has: an ONNX file with its JSON beside it. Nothing is downloaded.

A voice turns IPA phonemes, as espeak-ng gives them, into a wave (Kim et al., "VITS", 2021). Its file format: every
code point of the phonemes has ids in `phoneme_id_map`; a padding `_` follows each, `^` begins and `$` ends.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from trainer.dataset import importing
from trainer.system import regular_file

BEGIN, END, PADDING = "^", "$", "_"
MOST_JSON_BYTES = 4 << 20
MOST_SYMBOLS = 10_000
Scale = Annotated[float, Field(ge=0, le=10)]
Ids = Annotated[list[Annotated[int, Field(ge=0, le=MOST_SYMBOLS)]], Field(max_length=16)]
"""Of one symbol."""


class _Audio(BaseModel):
    sample_rate: int = Field(ge=8000, le=48_000)


class _Espeak(BaseModel):
    voice: str = Field(pattern=r"^[A-Za-z0-9_+-]{1,40}$")


class _Inference(BaseModel):
    noise_scale: Scale = 0.667
    length_scale: float = Field(1.0, ge=0.1, le=10)
    noise_w: Scale = 0.8


class Facts(BaseModel):
    """The JSON beside a voice, as far as it is needed."""

    audio: _Audio
    espeak: _Espeak
    inference: _Inference = _Inference()
    phoneme_id_map: dict[str, Ids] = Field(max_length=MOST_SYMBOLS)
    num_speakers: int = Field(1, ge=0, le=10_000)


@dataclass(frozen=True)
class PiperVoice:
    """A voice: its ONNX file, which only a process with limits loads (`piper_process`), and its description."""

    path: Path
    facts: Facts


def find(folder: Path) -> list[Path]:
    """Voice files below a folder, or the one that is named itself. Raises ValueError when there is none."""
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.onnx")) if folder.is_dir() else []
    found = [file for file in files if file.suffix == ".onnx" and _json_of(file).is_file()]
    if not found:
        raise ValueError(f"There is no Piper voice at {folder}: a file NAME.onnx with NAME.onnx.json beside it.")
    return found


def _json_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def load(file: Path) -> PiperVoice:
    """The voice in an ONNX file, by its description. Raises ValueError when that is none, OSError."""
    path = _json_of(file)
    data = regular_file.read_bytes(path, MOST_JSON_BYTES + 1)
    if len(data) > MOST_JSON_BYTES:
        raise ValueError(f"{path} is no description of a Piper voice: it is larger than {MOST_JSON_BYTES >> 20} MB.")
    try:
        return PiperVoice(file, Facts.model_validate_json(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        told = f"{where!r:.80}: {first['msg']}" if where else first["msg"]
        raise ValueError(f"{path} is no description of a Piper voice ({told}).") from None


def voices_at(text: str) -> list[PiperVoice]:
    """The voices at a path that a user typed. Raises ValueError, OSError."""
    return [load(file) for file in find(importing.path_named(text))]


def phoneme_ids(ipa: str, ids: dict[str, list[int]]) -> list[int]:
    """Ids of IPA text; code points that the voice does not know are left out."""
    known = [ids[c] for c in unicodedata.normalize("NFD", ipa) if c in ids and c not in (BEGIN, END, PADDING)]
    padding = ids.get(PADDING, [0])
    return [*ids.get(BEGIN, []), *padding, *(i for part in known for i in (*part, *padding)), *ids.get(END, [])]


def named_speakers(voices: Sequence[PiperVoice]) -> list[tuple[int, int, str]]:
    """(voice, speaker, a name fit for a folder) of everybody in these voices."""
    found = []
    for place, voice in enumerate(voices):
        count = max(1, voice.facts.num_speakers)
        stem = voice.path.stem
        found += [(place, number, f"{stem}-{number:04d}" if count > 1 else stem) for number in range(count)]
    return found
