"""Piper voices of the user (an ONNX file with its JSON beside it) and the clips they speak. Nothing is downloaded.

A voice turns IPA phonemes, as espeak-ng gives them, into a wave (Kim et al., "VITS", 2021). Its file format: every
code point of the phonemes has ids in `phoneme_id_map`; a padding `_` follows each, `^` begins and `$` ends.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from trainer.dataset import importing
from trainer.synthesis import espeak
from trainer.synthesis.espeak import Utterance
from trainer.system import limited_process, regular_file

BEGIN, END, PADDING = "^", "$", "_"
MOST_JSON_BYTES = 4 << 20
MOST_SYMBOLS = 10_000
Scale = Annotated[float, Field(ge=0, le=10)]
Ids = Annotated[list[Annotated[int, Field(ge=0, le=MOST_SYMBOLS)]], Field(max_length=16)]
"""Of one symbol."""
PROCESS = "trainer.synthesis.piper_process"
MIDDLE_RATE = 165
"""Words per minute that count as a voice's own pace."""
LOAD_SECONDS, LOAD_SECONDS_PER_MEGABYTE = 10.0, 0.2
SPEAK_SECONDS, SPEAK_SECONDS_PER_ID = 10.0, 0.25
"""Of processor time, all threads together."""
STILL_SECONDS = 300.0
"""Until a process is given up that neither answers nor computes."""
MOST_SECONDS_PER_ID = 1.0
"""Of sound, at a voice's own pace; a phoneme lasts a tenth of a second."""
LOUDEST = 32768.0
"""Samples lie within -1..1, for some voices within -32768..32767."""
OTHER = "Take another voice."


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


class _VoiceRefused(ValueError):
    """What is wrong follows the path of the voice."""

    def __init__(self, voice: PiperVoice, why: str) -> None:
        super().__init__(f"{voice.path} {why}. {OTHER}")


@contextmanager
def _process(voice: PiperVoice) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has loaded the voice. Raises ValueError, OSError."""
    with limited_process.start(PROCESS) as child:
        try:
            seconds = LOAD_SECONDS + LOAD_SECONDS_PER_MEGABYTE * voice.path.stat().st_size / 1e6
            _ask(child, voice, {"path": str(voice.path), "seconds": seconds}, most=0)
            yield child
        finally:
            child.kill()


def _ask(child: subprocess.Popen[bytes], voice: PiperVoice, request: dict[str, Any], most: int) -> NDArray[np.float32]:
    """What the voice answers: at most so many samples. Raises ValueError with what is wrong with it."""
    assert child.stdin and child.stdout
    with suppress(BrokenPipeError):  # it has ended, so there is no answer either
        os.write(child.stdin.fileno(), json.dumps(request).encode() + b"\n")
    if not select.select([child.stdout], [], [], STILL_SECONDS)[0]:
        raise _VoiceRefused(voice, "is refused: it took too long")
    line = child.stdout.readline()
    answer = json.loads(line or "{}")
    if "why" in answer:
        raise _VoiceRefused(voice, answer["why"])
    count = answer.get("samples", 0)
    if count > most:
        raise _VoiceRefused(voice, f"makes {count:,} samples where a voice makes at most {most:,}")
    samples = child.stdout.read(4 * count)
    if not line or len(samples) < 4 * count:
        raise _VoiceRefused(voice, f"is refused: {limited_process.told(child.wait())}")
    return np.frombuffer(samples, np.float32)


def _wave(child: subprocess.Popen[bytes], voice: PiperVoice, ipa: str, speaker: int, rate: int) -> NDArray[np.float32]:
    """What the voice says [samples], at its own sample rate. Raises ValueError."""
    facts = voice.facts
    ids, pace = phoneme_ids(ipa, facts.phoneme_id_map), facts.inference.length_scale * MIDDLE_RATE / rate
    request = {
        "ids": ids,
        "speaker": speaker,
        "scales": [facts.inference.noise_scale, pace, facts.inference.noise_w],
        "seconds": SPEAK_SECONDS + SPEAK_SECONDS_PER_ID * len(ids),
    }
    most = round(MOST_SECONDS_PER_ID * max(1.0, pace) * len(ids) * facts.audio.sample_rate)
    wave = _ask(child, voice, request, most)
    if not len(wave) or not np.isfinite(wave).all() or np.abs(wave).max() > LOUDEST or not np.ptp(wave):
        raise _VoiceRefused(voice, f"makes no sound of the phonemes {ipa!r:.60}")
    return wave


def speak(voices: Sequence[PiperVoice], utterances: Sequence[Utterance], report: Callable[[int], None]) -> None:
    """Speak every utterance into its file by the voice it names. Raises ValueError, OSError."""
    speakers = {name: (place, number) for place, number, name in named_speakers(voices)}
    by_place: dict[int, list[Utterance]] = {}
    for utterance in utterances:
        by_place.setdefault(speakers[utterance.voice][0], []).append(utterance)
    lines: dict[str, dict[str, str]] = {}
    for pronunciation in {voices[place].facts.espeak.voice for place in by_place}:
        lines[pronunciation] = espeak.ipa(sorted({utterance.text for utterance in utterances}), pronunciation)

    def spoken(child: subprocess.Popen[bytes], utterance: Utterance) -> NDArray[np.float32]:
        place, number = speakers[utterance.voice]
        ipa = lines[voices[place].facts.espeak.voice][utterance.text]
        return _wave(child, voices[place], ipa, number, utterance.rate)

    for place, own in by_place.items() if len(by_place) > 1 else ():  # a bad one is told before hours of work
        with _process(voices[place]) as child:
            spoken(child, own[0])
    done = 0
    for place, own in by_place.items():
        with _process(voices[place]) as child:
            for utterance in own:
                espeak.write(spoken(child, utterance), voices[place].facts.audio.sample_rate, utterance)
                done += 1
                report(done)
