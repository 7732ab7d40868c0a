"""Speech and phonemes from espeak-ng, computed by several processes at once."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.system import parallel
from trainer.system.parallel import Advance
from trainer.system.workspace import PROJECT_ROOT

PROCESSES = 2
"""Fixed, so that the same texts go to the same process, and give the same sound, on any machine."""
ANSWER_SECONDS = 20.0
NORMAL_RATE = 165
"""The rate, in words per minute, at which a voice of another engine speaks at its own pace."""


@dataclass(frozen=True)
class Utterance:
    """One clip to speak: rate in words per minute, pitch from 0 to 99, silence around it in seconds, level in dBFS."""

    text: str
    voice: str
    rate: int
    pitch: int
    lead_seconds: float
    tail_seconds: float
    level_db: float
    seed: int
    path: Path
    pronunciation: str = ""
    """IPA, spoken instead of the text."""


@contextmanager
def _process() -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "trainer.synthesis.espeak_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def _ask(child: subprocess.Popen[str], request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request. Raises OSError when the process has ended or hangs, ValueError when it refuses."""
    assert child.stdin and child.stdout
    failure = f"espeak-ng failed on {request['text']!r:.80}"
    try:
        child.stdin.write(json.dumps(request) + "\n")
        child.stdin.flush()
    except BrokenPipeError:
        raise OSError(f"{failure}: its process has ended. Try another phrase.") from None
    if not select.select([child.stdout], [], [], ANSWER_SECONDS)[0]:
        raise OSError(f"{failure}: no answer in {ANSWER_SECONDS:g} s. Try another phrase.")
    line = child.stdout.readline()
    if not line:
        raise OSError(f"{failure}: its process ended with code {child.wait()}. Try another phrase.")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise ValueError(f"{failure}: {answer['error']}")
    return answer


def phonemes(texts: Sequence[str], voice: str) -> list[tuple[str, ...]]:
    """The phonemes (IPA) of each text, without stress marks."""
    with _process() as child:
        answers = [_ask(child, {"do": "phonemes", "text": text, "voice": voice}) for text in texts]
    marks = str.maketrans("", "", "ˈˌ")
    return [tuple(p for p in (phoneme.translate(marks) for phoneme in a["phonemes"]) if p) for a in answers]


def ipa(texts: Sequence[str], voice: str) -> dict[str, str]:
    """IPA with stress marks, by text."""
    with _process() as child:
        return {text: _ask(child, {"do": "ipa", "text": text, "voice": voice})["ipa"] for text in texts}


def phoneme_names(texts: Sequence[str], voice: str) -> list[tuple[str, str]]:
    """Each phoneme of the texts in IPA with its name in espeak-ng; both may begin with a stress mark."""
    with _process() as child:
        answers = [_ask(child, {"do": "names", "text": text, "voice": voice})["names"] for text in texts]
    return [(ipa, name) for answer in answers for ipa, name in answer]


def write(wave: NDArray[np.float32], sample_rate: int, utterance: Utterance) -> None:
    """Write the clip of an utterance from its speech [samples]."""
    resampled = soxr.resample(wave - wave.mean(), sample_rate, SAMPLE_RATE)  # some voices have a constant offset
    soundfile.write(utterance.path, _with_silence(resampled, utterance), SAMPLE_RATE, subtype="PCM_16")


def _with_silence(wave: NDArray[np.float32], utterance: Utterance) -> NDArray[np.float32]:
    """The speech at its level, with silence around it and a faint noise floor."""
    rng = np.random.default_rng(utterance.seed)
    lead, tail = (round(s * SAMPLE_RATE) for s in (utterance.lead_seconds, utterance.tail_seconds))
    power = float(np.sqrt(np.mean(np.square(wave)))) or 1.0
    spoken = wave * np.float32(10 ** (utterance.level_db / 20) / power)
    spoken /= max(1.0, float(np.abs(spoken).max()) / 0.99)
    floor = 10 ** (rng.uniform(-80, -62) / 20) * rng.standard_normal(lead + len(spoken) + tail)
    floor[lead : lead + len(spoken)] += spoken
    return floor.astype(np.float32)


def _speak(child: subprocess.Popen[str], utterance: Utterance) -> None:
    """Speak one utterance into its file. Raises ValueError, OSError."""
    raw = utterance.path.with_suffix(".raw.wav")
    request = {"text": utterance.text, "voice": utterance.voice, "rate": utterance.rate, "pitch": utterance.pitch}
    answer = _ask(child, {"do": "speak", "path": str(raw), **request})
    if not answer["samples"]:
        raise ValueError(f"espeak-ng produces no sound for {utterance.text!r:.80}. Choose a phrase of words.")
    wave, rate = soundfile.read(raw, dtype="float32")
    raw.unlink()
    write(wave, rate, utterance)


def speak(utterances: Sequence[Utterance], report: Callable[[int], None]) -> None:
    """Speak every utterance into its file; `report` gets the number done. Raises ValueError, OSError."""

    def work(share: Sequence[Utterance], advance: Advance) -> None:
        with _process() as child:
            for utterance in share:
                _speak(child, utterance)
                advance(1)

    shares = [utterances[index::PROCESSES] for index in range(PROCESSES)]
    parallel.run([partial(work, share) for share in shares], PROCESSES, report)
