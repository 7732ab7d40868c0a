"""Speech from Piper voices of the user, each an ONNX file with a JSON description. Nothing is downloaded.

A voice converts IPA phonemes from espeak-ng to a wave (Kim et al., "VITS", 2021). `phoneme_id_map` of the description
holds the ids of every code point; `^` begins the sequence, `$` ends it, and a padding `_` follows each symbol.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from trainer.dataset import importing
from trainer.synthesis import clip_sound, espeak, voice_model
from trainer.synthesis.clip_sound import Utterance
from trainer.synthesis.phrases import Language
from trainer.synthesis.voice_model import RunningVoice
from trainer.system import regular_file

NAME = "piper"
BEGIN, END, PADDING = "^", "$", "_"
MOST_JSON_BYTES = 4 << 20
MOST_SYMBOLS = 10_000
Scale = Annotated[float, Field(ge=0, le=10)]
Ids = Annotated[list[Annotated[int, Field(ge=0, le=MOST_SYMBOLS)]], Field(max_length=16)]
"""The ids of one symbol."""
SPEAK_SECONDS, SPEAK_SECONDS_PER_ID = 10.0, 0.25
"""Limits of processor time, over all threads."""
MOST_SECONDS_PER_ID = 1.0
"""The longest sound of one id at a voice's own pace; a phoneme lasts about 0.1 s."""
OTHER = "Choose another voice."
SAMPLE = "hello moon"
"""What a voice says when it is tried out."""


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
    """A voice: its ONNX file, which only a process with limits loads (see `voice_process`), and its description."""

    path: Path
    description: Description


def find(path: Path) -> list[Path]:
    """The voice files below a folder, or the file itself. Raises ValueError when there is none."""
    files = [path] if path.is_file() else sorted(path.rglob("*.onnx")) if path.is_dir() else []
    voices = [file for file in files if file.suffix == ".onnx" and description_file(file).is_file()]
    if not voices:
        raise ValueError(
            f"There is no Piper voice at {path}. A voice is a file NAME.onnx with NAME.onnx.json beside it."
        )
    return voices


def description_file(file: Path) -> Path:
    """The JSON file of a voice."""
    return file.with_name(f"{file.name}.json")


def load(file: Path) -> PiperVoice:
    """The voice in an ONNX file. Raises ValueError when its description is not valid, OSError."""
    path = description_file(file)
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


def language_of(voice: PiperVoice) -> str:
    """The code of the language of a voice, such as `en` for en-us."""
    return voice.description.espeak.voice.partition("-")[0].partition("+")[0]


def seconds_per_clip(voice: PiperVoice) -> float:
    """Seconds of processor time that a short phrase takes. Raises ValueError when the voice does not speak, OSError."""
    accent = voice.description.espeak.voice
    line = espeak.ipa([SAMPLE], accent)[SAMPLE]
    with voice_model.started(voice.path, OTHER) as running:
        before = running.processor_seconds()
        _wave(running, voice, line, 0, espeak.NORMAL_RATE)
        return round(running.processor_seconds() - before, 2)


def named_speakers(voices: Sequence[PiperVoice]) -> list[tuple[int, int, str]]:
    """(index of the voice, number of the speaker, a name for its folder) for all speakers of these voices."""
    speakers = []
    for index, voice in enumerate(voices):
        count = max(1, voice.description.num_speakers)
        stem = voice.path.stem
        speakers += [(index, number, f"{stem}-{number:04d}" if count > 1 else stem) for number in range(count)]
    return speakers


def _wave(running: RunningVoice, voice: PiperVoice, ipa: str, speaker: int, rate: int) -> NDArray[np.float32]:
    """The speech of IPA text [samples], at the sample rate of the voice. Raises ValueError."""
    description = voice.description
    ids = phoneme_ids(ipa, description.phoneme_id_map)
    pace = description.inference.length_scale * espeak.NORMAL_RATE / rate
    inputs = {
        "input": [ids],
        "input_lengths": [len(ids)],
        "scales": [description.inference.noise_scale, pace, description.inference.noise_w],
        "sid": [speaker],
    }
    most = round(MOST_SECONDS_PER_ID * max(1.0, pace) * len(ids) * description.audio.sample_rate)
    return running.wave(inputs, ipa, SPEAK_SECONDS + SPEAK_SECONDS_PER_ID * len(ids), most)


@dataclass(frozen=True)
class Piper:
    """The engine that speaks with these voices, each in the language of its description; with those that are `given`
    for an order, whatever its language."""

    speakers: Sequence[PiperVoice]
    is_given: bool = False
    name: str = NAME

    def voices(self, language: Language) -> Sequence[str]:
        names = named_speakers(self.speakers)
        return [n for i, _, n in names if self.is_given or language_of(self.speakers[i]) == language.code]

    def speak(self, utterances: Sequence[Utterance], language: Language, report: Callable[[int], None]) -> None:
        speak(self.speakers, utterances, report)


def speak(voices: Sequence[PiperVoice], utterances: Sequence[Utterance], report: Callable[[int], None]) -> None:
    """Speak every utterance into its file, with the voice it names. Raises ValueError, OSError."""
    speakers = {name: (index, number) for index, number, name in named_speakers(voices)}
    by_voice: dict[int, list[Utterance]] = {}
    for utterance in utterances:
        by_voice.setdefault(speakers[utterance.voice][0], []).append(utterance)
    texts = sorted({utterance.text for utterance in utterances})
    languages = {voices[index].description.espeak.voice for index in by_voice}
    ipa = {language: espeak.ipa(texts, language) for language in languages}

    def wave(running: RunningVoice, utterance: Utterance) -> NDArray[np.float32]:
        index, number = speakers[utterance.voice]
        line = utterance.pronunciation or ipa[voices[index].description.espeak.voice][utterance.text]
        return _wave(running, voices[index], line, number, utterance.rate)

    for index, own in by_voice.items() if len(by_voice) > 1 else ():  # report a bad voice before hours of work
        with voice_model.started(voices[index].path, OTHER) as running:
            wave(running, own[0])
    done = 0
    for index, own in by_voice.items():
        with voice_model.started(voices[index].path, OTHER) as running:
            for utterance in own:
                clip_sound.write(wave(running, utterance), voices[index].description.audio.sample_rate, utterance)
                done += 1
                report(done)
