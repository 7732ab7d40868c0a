"""Rates a phrase before it is trained: how many sounds it has, and which common words sound like it.

The limits are the usual advice for wake words: six sounds or more, unlike everyday words (Picovoice, "Tips for choosing
a wake word", 2019). How well the rating predicts missed words and false accepts has not been measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from trainer.synthesis import phrases
from trainer.synthesis.phrases import SHORT_PHONEMES, Language, Phonemes

Verdict = Literal["good", "fair", "poor"]
GOOD_PHONEMES = 6
NEAR = 0.2
"""A common word is near when at most this share of the sounds differs."""
SHOWN = 3
OPENINGS = {"en": ("hey", "okay"), "de": ("hallo",), "es": ("hola",), "fr": ("salut",), "it": ("ciao",)}
"""Words that make a short phrase longer, by language."""


@dataclass(frozen=True)
class Rating:
    """A rated phrase: its number of phonemes, common words that contain it, common words that sound nearly alike, and
    whether it is a common word itself. `alternatives` are longer phrases that rate better."""

    phrase: str
    sounds: int
    inside: tuple[str, ...]
    near: tuple[str, ...]
    is_common: bool
    alternatives: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if self.sounds < SHORT_PHONEMES or self.inside:
            return "poor"
        return "fair" if self.sounds < GOOD_PHONEMES or self.near or self.is_common else "good"

    def sentences(self) -> list[str]:
        """What speaks for and against the phrase, and what to do."""
        short = f", which is short (at least {GOOD_PHONEMES} are better)" if self.sounds < GOOD_PHONEMES else ""
        parts = [f"“{self.phrase}” has {self.sounds} {'sound' if self.sounds == 1 else 'sounds'}{short}."]
        if self.inside:
            parts.append(f"It is part of common words: {', '.join(self.inside)}.")
        if self.near:
            parts.append(f"Common words sound nearly like it: {', '.join(self.near)}.")
        if self.is_common:
            parts.append("It is a common word itself: the device also reacts when people say it to each other.")
        if self.verdict == "good":
            return [f"{parts[0][:-1]} and no common word sounds nearly like it."]
        if self.verdict == "poor":
            parts.append("Expect false alarms.")
        if self.alternatives:
            parts.append(f"Better: {' or '.join(f'“{each}”' for each in self.alternatives)}.")
        return parts


@lru_cache(maxsize=256)  # a page rates its phrase whenever it is drawn
def rate(phrase: str, language: Language) -> Rating:
    """Rate a phrase; takes a second for the first phrase of a language. Raises ValueError for one that cannot be
    spoken."""
    rating = _rated(phrases.check(phrase, language), language)
    if rating.verdict == "good":
        return rating
    longer = (_rated(f"{opening} {rating.phrase}", language) for opening in OPENINGS.get(language.code, ()))
    better = tuple(each.phrase for each in longer if each.verdict == "good")
    return Rating(rating.phrase, rating.sounds, rating.inside, rating.near, rating.is_common, better)


def _rated(phrase: str, language: Language) -> Rating:
    (target,) = phrases.pronounce_in(language)([phrase])
    lexicon = phrases.lexicon(language)
    inside = [word for word, sound in lexicon.items() if sound != target and phrases.contains(sound, target)]
    likely = (word for word, sound in lexicon.items() if sound != target and _is_near(target, sound))
    near = sorted(set(likely) - set(inside), key=lambda word: (phrases.distance(target, lexicon[word]), word))
    is_common = any(sound == target for sound in lexicon.values())
    return Rating(phrase, len(target), tuple(inside[:SHOWN]), tuple(near[:SHOWN]), is_common)


def _is_near(a: Phonemes, b: Phonemes) -> bool:
    most = NEAR * max(len(a), len(b))
    return abs(len(a) - len(b)) <= most and phrases.distance(a, b) <= most
