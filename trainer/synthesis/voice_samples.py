"""A phrase spoken by a few voices, to hear how it is pronounced before clips are made."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.synthesis import engines, phrases, pronunciation, recipes
from trainer.system.workspace import Workspace

COUNT = 5


@dataclass(frozen=True)
class Sample:
    """A clip (WAV) of the phrase by one voice; `pronunciation` is empty where the engine chose it."""

    engine: str
    voice: str
    pronunciation: str
    wav: bytes


def speak(
    workspace: Workspace, phrase: str, code: str, names: Sequence[str], pronunciations: Sequence[str]
) -> list[Sample]:
    """The phrase by COUNT voices of these engines (all that are installed, without names), with the pronunciations in
    turn, as they sound in clips. Raises ValueError for input that cannot be spoken, OSError."""
    language = phrases.find_language(code)
    checked = phrases.check(phrase, language)
    given = [pronunciation.check(ipa, language) for ipa in pronunciations]
    speakers = engines.choose(workspace, names, language, "")
    samples, rng = list[Sample](), random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        for engine, numbers in zip(speakers, engines.divide(speakers, COUNT), strict=True):
            voices = engine.voices(language)[:COUNT]
            spoken = recipes.utterances([checked], voices, len(numbers), Path(folder), rng, numbers.start, given)
            engine.speak(spoken, language, lambda done: None)
            samples += [
                Sample(
                    engine.name, each.voice.removeprefix(f"{engine.name}-"), each.pronunciation, each.path.read_bytes()
                )
                for each in spoken
            ]
    return samples
