"""The engines that speak: what each offers, which are installed, and how clips are divided between them.

An engine is a module with a class that has these attributes, and an entry in `installed`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

from trainer.synthesis import espeak, kokoro, phrases, piper, pronunciation, speech_cache, voice_install
from trainer.synthesis.espeak import Utterance
from trainer.synthesis.kokoro import Kokoro
from trainer.synthesis.phrases import Language
from trainer.synthesis.piper import Piper
from trainer.synthesis.voice_catalog import KOKORO, VoiceSet
from trainer.system.workspace import Workspace

ESPEAK = "espeak"
NAMES = (ESPEAK, kokoro.NAME, piper.NAME)
SHARES = {ESPEAK: 1, kokoro.NAME: 1, piper.NAME: 1}
"""How clips are divided between the engines of an order, in proportion to these numbers."""


class Engine(Protocol):
    """What a recipe needs of an engine."""

    @property
    def name(self) -> str: ...

    def voices(self, language: Language) -> Sequence[str]:
        """The names of the voices that speak a language, the best first; none when it does not speak it."""

    def speak(self, utterances: Sequence[Utterance], language: Language, report: Callable[[int], None]) -> None:
        """Speak every utterance into its file; `report` gets the number done. Raises ValueError, OSError."""


@dataclass(frozen=True)
class Espeak:
    """espeak-ng, which is always there."""

    name: str = ESPEAK

    def voices(self, language: Language) -> Sequence[str]:
        return language.voices

    def speak(self, utterances: Sequence[Utterance], language: Language, report: Callable[[int], None]) -> None:
        wanted = sorted({each.pronunciation for each in utterances if each.pronunciation})
        named = {ipa: f"[[{pronunciation.spelled(ipa, language)}]]" for ipa in wanted}
        espeak.speak([replace(each, text=named.get(each.pronunciation, each.text)) for each in utterances], report)


def installed(workspace: Workspace, piper_path: str = "") -> list[Engine]:
    """The engines that can speak now; Piper with the voices at a path. Raises ValueError, OSError for a bad path."""
    engines: list[Engine] = [Espeak()]
    if voice_install.record(workspace, KOKORO):
        engines.append(Kokoro(voice_install.folder(workspace, KOKORO), speech_cache.folder(workspace)))
    if piper_path.strip():
        engines.append(Piper(piper.voices_at(piper_path)))
    return engines


def choose(workspace: Workspace, names: Sequence[str], language: Language, piper_path: str) -> list[Engine]:
    """The engines of an order. Without names: Piper where a path of its voices is given, else all that speak the
    language. Raises ValueError for one that is unknown, not installed or does not speak the language, OSError."""
    engines = {engine.name: engine for engine in installed(workspace, piper_path)}
    if not names:
        chosen = [engines[piper.NAME]] if piper.NAME in engines else list(engines.values())
        return [engine for engine in chosen if engine.voices(language)]
    for name in names:
        if name not in NAMES:
            raise ValueError(f"There is no engine {name!r:.40}; choose one of {', '.join(NAMES)}.")
        if name not in engines:
            raise ValueError(_MISSING[name])
        if not engines[name].voices(language):
            raise ValueError(f"{name} does not speak {language.name}; choose {ESPEAK}.")
    return [engine for name, engine in engines.items() if name in names]


_MISSING = {
    kokoro.NAME: "The Kokoro voices are not installed. Run `python -m trainer voices get kokoro` first.",
    piper.NAME: "Piper needs voices: give a file NAME.onnx or a folder with --piper.",
}


def divide(engines: Sequence[Engine], count: int) -> list[range]:
    """The numbers of the clips that each engine speaks, in a row."""
    shares = [SHARES[engine.name] for engine in engines]
    edges = [round(count * sum(shares[:n]) / sum(shares)) for n in range(len(shares) + 1)]
    return [range(first, last) for first, last in pairwise(edges)]


def find(name: str) -> VoiceSet | None:
    """The voices that can be installed under this name, None for those that ship. Raises ValueError without any."""
    known: dict[str, VoiceSet | None] = {ESPEAK: None, KOKORO.name: KOKORO}
    if name not in known:
        problem = f"There is no engine {name!r:.60}." if name else "The name of an engine is missing."
        raise ValueError(f"{problem} Choose one of {', '.join(known)}.")
    return known[name]


def documents(workspace: Workspace) -> list[dict[str, Any]]:
    """Every engine that can be listed, and whether it is installed, as JSON documents."""
    noted = voice_install.record(workspace, KOKORO)
    shipped = {
        "name": ESPEAK,
        "title": "espeak-ng",
        "installed": True,
        "licence": "GPL-3.0-or-later",
        "megabytes": 0,
        "voices": len(phrases.VARIANTS),
        "languages": list(phrases.LANGUAGES),
        "seconds_per_clip": None,
        "attribution": "the eSpeak NG developers",
        "homepage": "https://github.com/espeak-ng/espeak-ng",
        "downloaded_bytes": 0,
    }
    neural = {
        "name": KOKORO.name,
        "title": KOKORO.title,
        "installed": noted is not None,
        "licence": KOKORO.licence,
        "megabytes": KOKORO.megabytes,
        "voices": len(KOKORO.voices),
        "languages": kokoro.languages(KOKORO.voices),
        "seconds_per_clip": noted.seconds_per_clip if noted else None,
        "attribution": KOKORO.attribution,
        "homepage": KOKORO.homepage,
        "downloaded_bytes": voice_install.downloaded_bytes(workspace, KOKORO),
    }
    return [shipped, neural]
