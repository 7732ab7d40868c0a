"""The engines that speak: what each offers, which are installed, and how clips are divided between them.

An engine is a module with a class that has these attributes, and an entry in `installed`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

from trainer.synthesis import (
    accents,
    espeak,
    kokoro,
    phrases,
    piper,
    piper_install,
    pronunciation,
    speech_cache,
    voice_install,
)
from trainer.synthesis.clip_sound import Utterance
from trainer.synthesis.kokoro import Kokoro
from trainer.synthesis.phrases import Language
from trainer.synthesis.piper import Piper
from trainer.synthesis.voice_catalog import KOKORO
from trainer.system.job import Report
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
    """The engines that can speak now; Piper with the voices at a path, else with those that are kept here. Raises
    ValueError, OSError for a bad path."""
    engines: list[Engine] = [Espeak()]
    if voice_install.record(workspace, KOKORO):
        engines.append(Kokoro(voice_install.folder(workspace, KOKORO), speech_cache.folder(workspace)))
    given = piper.voices_at(piper_path) if piper_path.strip() else []
    if voices := given or piper_install.installed(workspace):
        engines.append(Piper(voices, is_given=bool(given)))
    return engines


def choose(workspace: Workspace, names: Sequence[str], language: Language, piper_path: str) -> list[Engine]:
    """The engines of an order. Without names: Piper where a path of its voices is given, else all that speak the
    language. Raises ValueError for one that is unknown, not installed or does not speak the language, OSError."""
    engines = {engine.name: engine for engine in installed(workspace, piper_path)}
    if not names:
        chosen = [engines[piper.NAME]] if piper_path.strip() else list(engines.values())
        return [engine for engine in chosen if engine.voices(language)]
    for name in names:
        if find(name) not in engines:
            raise ValueError(_MISSING[name])
        if not engines[name].voices(language):
            raise ValueError(f"{name} does not speak {language.name}; choose {ESPEAK}.")
    return [engine for name, engine in engines.items() if name in names]


_MISSING = {
    kokoro.NAME: "The Kokoro voices are not installed. Run `python -m trainer voices get kokoro` first.",
    piper.NAME: "Piper needs voices: give a file NAME.onnx or a folder with --piper, or run "
    "`python -m trainer voices get piper --from FOLDER` first.",
}


def has_accents(engine: Engine, language: str) -> bool:
    """Whether an engine speaks a language with the accents of others, too (see `accents`); at most one does."""
    return engine.name == kokoro.NAME and language == accents.LANGUAGE


def divide(engines: Sequence[Engine], count: int) -> list[range]:
    """The numbers of the clips that each engine speaks, in a row."""
    shares = [SHARES[engine.name] for engine in engines]
    edges = [round(count * sum(shares[:n]) / sum(shares)) for n in range(len(shares) + 1)]
    return [range(first, last) for first, last in pairwise(edges)]


def find(name: str) -> str:
    """The name of an engine. Raises ValueError without such an engine."""
    if name not in NAMES:
        problem = f"There is no engine {name!r:.60}." if name else "The name of an engine is missing."
        raise ValueError(f"{problem} Choose one of {', '.join(NAMES)}.")
    return name


def get(workspace: Workspace, name: str, source: str, report: Report) -> tuple[dict[str, Any], str]:
    """Get the voices of an engine, from its packages or from `source`; a document and a sentence. Raises ValueError,
    OSError (DownloadError)."""
    if find(name) == ESPEAK:
        return {"name": name, "installed": True}, "espeak-ng is part of Wakeword Studio and needs no download."
    if name == piper.NAME:
        added = piper_install.get(workspace, source, report)
        return added.document(), added.sentence()
    installation = voice_install.get(workspace, KOKORO, source, report)
    return installation.document(), installation.sentence()


def remove(workspace: Workspace, name: str) -> tuple[dict[str, Any], str]:
    """Delete the voices of an engine; a document and a sentence. Raises ValueError when there are none, OSError."""
    if find(name) == ESPEAK:
        raise ValueError("espeak-ng is part of Wakeword Studio and cannot be removed.")
    if name == piper.NAME:
        freed, title = piper_install.remove(workspace), "the copies of Piper voices"
        again = "Your own files stay."
    else:
        freed, title = voice_install.remove(workspace, KOKORO), KOKORO.title
        again = "Get it again to use it."
    document = {"name": name, "installed": False, "freed_bytes": freed}
    return document, f"Deleted {title} ({freed / 1e6:,.0f} MB). {again}"


def documents(workspace: Workspace) -> list[dict[str, Any]]:
    """Every engine, and whether it is installed, as JSON documents; `source` says where its voices come from."""
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
    return [
        shipped | {"source": "app"},
        voice_install.document(workspace, KOKORO) | {"source": "packages"},
        piper_install.document(workspace) | {"source": "files"},
    ]
