"""Clips spoken by voices of Piper, each in a process with limits: one that hangs or fills memory costs a sentence."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.synthesis import piper, speech
from trainer.synthesis.piper import PiperVoice
from trainer.synthesis.speech import Utterance
from trainer.system import limited_process

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


def _ask(
    child: subprocess.Popen[bytes], voice: PiperVoice, request: dict[str, Any], most: int
) -> NDArray[np.float32]:  # fmt: skip
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
    ids, pace = piper.phoneme_ids(ipa, facts.phoneme_id_map), facts.inference.length_scale * MIDDLE_RATE / rate
    request = {
        "ids": ids, "speaker": speaker, "scales": [facts.inference.noise_scale, pace, facts.inference.noise_w],
        "seconds": SPEAK_SECONDS + SPEAK_SECONDS_PER_ID * len(ids),
    }  # fmt: skip
    most = round(MOST_SECONDS_PER_ID * max(1.0, pace) * len(ids) * facts.audio.sample_rate)
    wave = _ask(child, voice, request, most)
    if not len(wave) or not np.isfinite(wave).all() or np.abs(wave).max() > LOUDEST or not np.ptp(wave):
        raise _VoiceRefused(voice, f"makes no sound of the phonemes {ipa!r:.60}")
    return wave


def speak(voices: Sequence[PiperVoice], utterances: Sequence[Utterance], report: Callable[[int], None]) -> None:
    """Speak every utterance into its file by the voice it names. Raises ValueError, OSError."""
    speakers = {name: (place, number) for place, number, name in piper.named_speakers(voices)}
    by_place: dict[int, list[Utterance]] = {}
    for utterance in utterances:
        by_place.setdefault(speakers[utterance.voice][0], []).append(utterance)
    lines: dict[str, dict[str, str]] = {}
    for pronunciation in {voices[place].facts.espeak.voice for place in by_place}:
        lines[pronunciation] = speech.ipa(sorted({utterance.text for utterance in utterances}), pronunciation)

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
                speech.write(spoken(child, utterance), voices[place].facts.audio.sample_rate, utterance)
                done += 1
                report(done)
