"""Clips spoken by voices of Piper."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trainer.synthesis import piper, speech
from trainer.synthesis.piper import PiperVoice
from trainer.synthesis.speech import Utterance

MIDDLE_RATE = 165
"""Words per minute that count as a voice's own pace."""


def speak(voices: Sequence[PiperVoice], utterances: Sequence[Utterance], report: Callable[[int], None]) -> None:
    """Speak every utterance into its file by the voice it names. Raises ValueError, OSError."""
    speakers = {name: (voices[place], number) for place, number, name in piper.named_speakers(voices)}
    lines: dict[str, dict[str, str]] = {}
    for pronunciation in {voice.facts.espeak.voice for voice in voices}:
        lines[pronunciation] = speech.ipa(sorted({utterance.text for utterance in utterances}), pronunciation)
    for done, utterance in enumerate(utterances):
        voice, number = speakers[utterance.voice]
        ipa = lines[voice.facts.espeak.voice][utterance.text]
        wave = piper.speak(voice, ipa, number, MIDDLE_RATE / utterance.rate)
        speech.write(wave, voice.facts.audio.sample_rate, utterance)
        report(done + 1)
