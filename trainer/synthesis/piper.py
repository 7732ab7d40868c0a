"""Speech from Piper voices of the user, each an ONNX file with a JSON description. Nothing is downloaded.

A voice converts IPA phonemes from espeak-ng to a wave (Kim et al., "VITS", 2021). `phoneme_id_map` of the description
holds the ids of every code point; `^` begins the sequence, `$` ends it, and a padding `_` follows each symbol.
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
"""The ids of one symbol."""
PROCESS = "trainer.synthesis.piper_process"
NORMAL_RATE = 165
"""The rate, in words per minute, at which a voice speaks at its own pace."""
LOAD_SECONDS, LOAD_SECONDS_PER_MEGABYTE = 10.0, 0.2
SPEAK_SECONDS, SPEAK_SECONDS_PER_ID = 10.0, 0.25
"""Limits of processor time, over all threads."""
ANSWER_SECONDS = 300.0
"""The longest wait for an answer, for a process that hangs without using processor time."""
MOST_SECONDS_PER_ID = 1.0
"""The longest sound of one id at a voice's own pace; a phoneme lasts about 0.1 s."""
LOUDEST = 32768.0
"""The range of samples is -1..1, or -32768..32767 for some voices."""
OTHER = "Choose another voice."


class _Audio(BaseModel):
    sample_rate: int = Field(ge=8000, le=48_000)


class _Espeak(BaseModel):
    voice: str = Field(pattern=r"^[A-Za-z0-9_+-]{1,40}$")


class _Inference(BaseModel):
    noise_scale: Scale = 0.667
    length_scale: float = Field(1.0, ge=0.1, le=10)
    noise_w: Scale = 0.8


class Description(BaseModel):
    """The parts of a voice's JSON file that are used."""

    audio: _Audio
    espeak: _Espeak
    inference: _Inference = _Inference()
    phoneme_id_map: dict[str, Ids] = Field(max_length=MOST_SYMBOLS)
    num_speakers: int = Field(1, ge=0, le=10_000)


@dataclass(frozen=True)
class PiperVoice:
    """A voice: its ONNX file, which only a process with limits loads (see `piper_process`), and its description."""

    path: Path
    description: Description


def find(path: Path) -> list[Path]:
    """The voice files below a folder, or the file itself. Raises ValueError when there is none."""
    files = [path] if path.is_file() else sorted(path.rglob("*.onnx")) if path.is_dir() else []
    voices = [file for file in files if file.suffix == ".onnx" and _json_of(file).is_file()]
    if not voices:
        raise ValueError(
            f"There is no Piper voice at {path}. A voice is a file NAME.onnx with NAME.onnx.json beside it."
        )
    return voices


def _json_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def load(file: Path) -> PiperVoice:
    """The voice in an ONNX file. Raises ValueError when its description is not valid, OSError."""
    path = _json_of(file)
    data = regular_file.read_bytes(path, MOST_JSON_BYTES + 1)
    if len(data) > MOST_JSON_BYTES:
        raise ValueError(f"{path} is not a description of a Piper voice: it is larger than {MOST_JSON_BYTES >> 20} MB.")
    try:
        return PiperVoice(file, Description.model_validate_json(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"{where!r:.80}: {first['msg']}" if where else first["msg"]
        raise ValueError(f"{path} is not a description of a Piper voice ({problem}).") from None


def voices_at(text: str) -> list[PiperVoice]:
    """The voices at a path that a user typed. Raises ValueError, OSError."""
    return [load(file) for file in find(importing.path_named(text))]


def phoneme_ids(ipa: str, ids: dict[str, list[int]]) -> list[int]:
    """The ids of IPA text; code points without ids are left out."""
    known = [ids[c] for c in unicodedata.normalize("NFD", ipa) if c in ids and c not in (BEGIN, END, PADDING)]
    padding = ids.get(PADDING, [0])
    return [*ids.get(BEGIN, []), *padding, *(i for part in known for i in (*part, *padding)), *ids.get(END, [])]


def named_speakers(voices: Sequence[PiperVoice]) -> list[tuple[int, int, str]]:
    """(index of the voice, number of the speaker, a name for its folder) for all speakers of these voices."""
    speakers = []
    for index, voice in enumerate(voices):
        count = max(1, voice.description.num_speakers)
        stem = voice.path.stem
        speakers += [(index, number, f"{stem}-{number:04d}" if count > 1 else stem) for number in range(count)]
    return speakers


class _VoiceRefused(ValueError):
    """A voice that cannot be used; `problem` follows its path in the message."""

    def __init__(self, voice: PiperVoice, problem: str) -> None:
        super().__init__(f"{voice.path} {problem}. {OTHER}")


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
    """The answer of a voice: at most `most` samples. Raises ValueError with the problem of the voice."""
    assert child.stdin and child.stdout
    with suppress(BrokenPipeError):  # the process has ended: reading the answer reports it
        os.write(child.stdin.fileno(), json.dumps(request).encode() + b"\n")
    if not select.select([child.stdout], [], [], ANSWER_SECONDS)[0]:
        raise _VoiceRefused(voice, "is refused: it takes too long")
    line = child.stdout.readline()
    answer = json.loads(line or "{}")
    if "problem" in answer:
        raise _VoiceRefused(voice, answer["problem"])
    count = answer.get("samples", 0)
    if count > most:
        raise _VoiceRefused(voice, f"produces {count:,} samples, more than the {most:,} of a valid voice")
    samples = child.stdout.read(4 * count)
    if not line or len(samples) < 4 * count:
        raise _VoiceRefused(voice, f"is refused: {limited_process.describe_exit(child.wait())}")
    return np.frombuffer(samples, np.float32)


def _wave(child: subprocess.Popen[bytes], voice: PiperVoice, ipa: str, speaker: int, rate: int) -> NDArray[np.float32]:
    """The speech of IPA text [samples], at the sample rate of the voice. Raises ValueError."""
    description = voice.description
    ids = phoneme_ids(ipa, description.phoneme_id_map)
    pace = description.inference.length_scale * NORMAL_RATE / rate
    request = {
        "ids": ids,
        "speaker": speaker,
        "scales": [description.inference.noise_scale, pace, description.inference.noise_w],
        "seconds": SPEAK_SECONDS + SPEAK_SECONDS_PER_ID * len(ids),
    }
    most = round(MOST_SECONDS_PER_ID * max(1.0, pace) * len(ids) * description.audio.sample_rate)
    wave = _ask(child, voice, request, most)
    if not len(wave) or not np.isfinite(wave).all() or np.abs(wave).max() > LOUDEST or not np.ptp(wave):
        raise _VoiceRefused(voice, f"produces no sound for the phonemes {ipa!r:.60}")
    return wave


def speak(voices: Sequence[PiperVoice], utterances: Sequence[Utterance], report: Callable[[int], None]) -> None:
    """Speak every utterance into its file, with the voice it names. Raises ValueError, OSError."""
    speakers = {name: (index, number) for index, number, name in named_speakers(voices)}
    by_voice: dict[int, list[Utterance]] = {}
    for utterance in utterances:
        by_voice.setdefault(speakers[utterance.voice][0], []).append(utterance)
    texts = sorted({utterance.text for utterance in utterances})
    languages = {voices[index].description.espeak.voice for index in by_voice}
    ipa = {language: espeak.ipa(texts, language) for language in languages}

    def wave(child: subprocess.Popen[bytes], utterance: Utterance) -> NDArray[np.float32]:
        index, number = speakers[utterance.voice]
        line = ipa[voices[index].description.espeak.voice][utterance.text]
        return _wave(child, voices[index], line, number, utterance.rate)

    for index, own in by_voice.items() if len(by_voice) > 1 else ():  # report a bad voice before hours of work
        with _process(voices[index]) as child:
            wave(child, own[0])
    done = 0
    for index, own in by_voice.items():
        with _process(voices[index]) as child:
            for utterance in own:
                espeak.write(wave(child, utterance), voices[index].description.audio.sample_rate, utterance)
                done += 1
                report(done)
