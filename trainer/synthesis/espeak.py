"""Speech and phonemes from espeak-ng, computed by several processes at once."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import soundfile

from trainer.synthesis import clip_sound
from trainer.synthesis.clip_sound import Utterance
from trainer.system import parallel
from trainer.system.parallel import Advance
from trainer.system.workspace import PROJECT_ROOT

PROCESSES = 2
"""Fixed, so that the same texts go to the same process, and give the same sound, on any machine."""
ANSWER_SECONDS = 20.0
NORMAL_RATE = 165
"""The rate, in words per minute, at which a voice of another engine speaks at its own pace."""


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


def _speak(child: subprocess.Popen[str], utterance: Utterance) -> None:
    """Speak one utterance into its file. Raises ValueError, OSError."""
    raw = utterance.path.with_suffix(".raw.wav")
    request = {"text": utterance.text, "voice": utterance.voice, "rate": utterance.rate, "pitch": utterance.pitch}
    answer = _ask(child, {"do": "speak", "path": str(raw), **request})
    if not answer["samples"]:
        raise ValueError(f"espeak-ng produces no sound for {utterance.text!r:.80}. Choose a phrase of words.")
    wave, rate = soundfile.read(raw, dtype="float32")
    raw.unlink()
    clip_sound.write(wave, rate, utterance)


def speak(utterances: Sequence[Utterance], report: Callable[[int], None]) -> None:
    """Speak every utterance into its file; `report` gets the number done. Raises ValueError, OSError."""

    def work(share: Sequence[Utterance], advance: Advance) -> None:
        with _process() as child:
            for utterance in share:
                _speak(child, utterance)
                advance(1)

    shares = [utterances[index::PROCESSES] for index in range(PROCESSES)]
    parallel.run([partial(work, share) for share in shares], PROCESSES, report)
