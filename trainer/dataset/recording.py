"""Takes recorded in the browser: reading, problems, saving."""

from __future__ import annotations

import io
import wave as wav
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.audio import audio_file, mixdown
from trainer.audio.audio_file import HIGHEST_RATE, LOWEST_RATE
from trainer.dataset import changes, file_names, findings, importing, repairs
from trainer.dataset.changes import RAW, Change, Move
from trainer.dataset.measures import Measures, measure
from trainer.system.workspace import Workspace

LONGEST_SECONDS = 60


@dataclass(frozen=True)
class Take:
    """One recording: a trimmed mono wave [samples] in -1..1, and its measures before trimming."""

    wave: NDArray[np.float32]
    sample_rate: int
    measures: Measures
    spoken_seconds: float

    @property
    def seconds(self) -> float:
        return len(self.wave) / self.sample_rate


def read(data: bytes) -> Take:
    """A take from the browser, as 16-bit WAV. Raises ValueError."""
    advice = "Record it again."
    try:
        with wav.open(io.BytesIO(data)) as file:
            rate, frames = file.getframerate(), file.getnframes()
            channels, width = file.getnchannels(), file.getsampwidth()
            if width != 2 or not LOWEST_RATE <= rate <= HIGHEST_RATE or not 1 <= channels <= 2:
                raise ValueError(f"The recording has an unsupported format ({8 * width} bit, {rate} Hz). {advice}")
            if frames > LONGEST_SECONDS * rate:
                raise ValueError(f"The recording is longer than {LONGEST_SECONDS} s; say the word once per take.")
            samples = np.frombuffer(file.readframes(frames), "<i2")
    except (wav.Error, EOFError) as error:
        raise ValueError(f"The recording cannot be read ({error}). {advice}") from None
    if not len(samples):
        raise ValueError(f"The recording is empty; allow the browser to use the microphone. {advice}")
    channels_wave = (samples.reshape(-1, channels) / 32768).astype(np.float32)
    mono = mixdown.mixed(channels_wave, mixdown.decide(channels_wave, rate))
    measures = measure(mono, rate)
    spoken = len(mono) / rate - measures.lead_seconds - measures.tail_seconds
    return Take(repairs.trimmed(mono, rate), rate, measures, spoken)


def problems(take: Take, label: str) -> list[str]:
    """The problems of a take, as sentences."""
    measures, sentences = take.measures, []
    if measures.peak_db < findings.SILENT_DB:
        return ["The recording is silent. Check that the right microphone is selected and not muted."]
    if measures.clipped > findings.CLIPPED_SHARE:
        sentences.append("It is clipped: too loud. Move away from the microphone or lower its level.")
    if measures.level_db < findings.QUIET_DB:
        sentences.append("It is very quiet. Move closer to the microphone or raise its level.")
    if label == "positive" and take.spoken_seconds < findings.SHORTEST_WORD_SECONDS:
        sentences.append("It is too short for a word.")
    if label == "positive" and take.spoken_seconds > findings.LONGEST_WORD_SECONDS:
        sentences.append("It is too long for one word; say the word once per take.")
    return sentences


def save(workspace: Workspace, take: Take, label: str, speaker: str) -> Change:
    """Save a take as 16-bit WAV under its label and speaker. Raises ValueError when no speaker is named, OSError."""
    importing.check_label(label)
    folder = file_names.safe_part(speaker)
    if not folder:
        raise ValueError("Enter the speaker: takes of one person must stay together when the data is split.")
    with importing.staging(workspace) as (change_id, incoming):
        file = incoming / "take.wav"
        audio_file.write(file, take.wave, take.sample_rate)
        target = f"{RAW}/{label}/{folder}/take-{change_id}.wav"
        move = Move(source=file.relative_to(workspace.root / "data").as_posix(), target=target)
        return changes.apply(workspace, f"Recorded {label} by {folder}", [move], change_id)
