"""Voices of Piper that the user has: an ONNX file with its JSON beside it. Nothing is downloaded.

A voice turns IPA phonemes, as espeak-ng gives them, into a wave (Kim et al., "VITS", 2021). Its file format: every
code point of the phonemes has ids in `phoneme_id_map`; a padding `_` follows each, `^` begins and `$` ends.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from trainer import durable, limits

BEGIN, END, PADDING = "^", "$", "_"
MOST_SPEAKERS = 10_000


class _Audio(BaseModel):
    sample_rate: int


class _Espeak(BaseModel):
    voice: str


class _Inference(BaseModel):
    noise_scale: float = 0.667
    length_scale: float = 1.0
    noise_w: float = 0.8


class Facts(BaseModel):
    """The JSON beside a voice, as far as it is needed."""

    audio: _Audio
    espeak: _Espeak
    inference: _Inference = _Inference()
    phoneme_id_map: dict[str, list[int]]
    num_speakers: int = 1


@dataclass(frozen=True)
class PiperVoice:
    """A voice ready to speak; `session` is onnxruntime's."""

    path: Path
    facts: Facts
    session: Any


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
    """Open a voice. Raises ValueError when the file is none."""
    import onnxruntime  # reads for a while, and only this needs it

    try:
        facts = Facts.model_validate(durable.read_json(_json_of(file)))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = limits.threads(), 4
        session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{_json_of(file)} is no description of a Piper voice ({first['loc']}).") from None
    except Exception as error:  # onnxruntime raises classes of its own for each kind of damage
        raise ValueError(f"{file} cannot be loaded as a Piper voice ({error!s:.100}).") from None
    return PiperVoice(file, facts, session)


def phoneme_ids(ipa: str, ids: dict[str, list[int]]) -> list[int]:
    """Ids of IPA text; code points that the voice does not know are left out."""
    known = [ids[c] for c in unicodedata.normalize("NFD", ipa) if c in ids and c not in (BEGIN, END, PADDING)]
    padding = ids.get(PADDING, [0])
    return [*ids.get(BEGIN, []), *padding, *(i for part in known for i in (*part, *padding)), *ids.get(END, [])]


def speak(voice: PiperVoice, ipa: str, speaker: int, slowness: float) -> NDArray[np.float32]:
    """A wave [samples] at the voice's rate; `slowness` 1 is its own pace. Raises ValueError when it says nothing."""
    facts = voice.facts
    ids = phoneme_ids(ipa, facts.phoneme_id_map)
    scales = [facts.inference.noise_scale, slowness * facts.inference.length_scale, facts.inference.noise_w]
    inputs: dict[str, NDArray[Any]] = {
        "input": np.array([ids], np.int64),
        "input_lengths": np.array([len(ids)], np.int64),
        "scales": np.array(scales, np.float32),
    }
    if any(one.name == "sid" for one in voice.session.get_inputs()):
        inputs["sid"] = np.array([speaker], np.int64)
    try:
        wave = np.asarray(voice.session.run(None, inputs)[0], np.float32).reshape(-1)
    except Exception as error:  # as above
        raise ValueError(f"{voice.path} failed on the phonemes {ipa!r:.60} ({error!s:.100}).") from None
    if not len(wave) or not np.isfinite(wave).all():
        raise ValueError(f"{voice.path} makes no sound of the phonemes {ipa!r:.60}.")
    return wave


def named_speakers(voices: Sequence[PiperVoice]) -> list[tuple[int, int, str]]:
    """(voice, speaker, a name fit for a folder) of everybody in these voices."""
    found = []
    for place, voice in enumerate(voices):
        count = max(1, min(voice.facts.num_speakers, MOST_SPEAKERS))
        stem = voice.path.stem
        found += [(place, number, f"{stem}-{number:04d}" if count > 1 else stem) for number in range(count)]
    return found
