"""English with the sounds of other languages, and voices that no recording has, for Kokoro.

A detector of a typed word meets people with accents that no voice has. An accented clip has the colour of one voice,
mixed with another or moved away from it, and the melody of a third; in half of the clips some sounds are those that
speakers of other languages use instead. What this brings is measured in docs/experiments.md ("Typed words").
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

LANGUAGE = "en"
SHARE = 1 / 3
"""Accented clips among the positives."""
CHANGED_SHARE = 0.5
"""Accented clips with changed sounds; the others have another melody only."""
SOUND_SHARE = 0.35
"""Sounds that change in such a clip, of those in INSTEAD."""
INSTEAD: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "ɹ": ("r", "ɾ", "ʁ", ""),
        "ɑ": ("a", "ɔ"),
        "æ": ("a", "ɛ"),
        "ɪ": ("i",),
        "ʊ": ("u",),
        "ə": ("a", "ɛ", "ɪ"),
        "ʌ": ("a",),
        "ɜ": ("ɛ",),
        "ɔ": ("o",),
        "ʤ": ("ʧ", "ʒ", "j"),
        "v": ("w", "b", "f"),
        "w": ("v",),
        "z": ("s",),
        "s": ("s", "z"),
        "θ": ("t", "s"),
        "ð": ("d", "z"),
        "h": ("x",),
        "ɛ": ("e", "æ", "i"),
        "i": ("ɪ",),
        "u": ("ʊ",),
        "O": ("o",),
        "A": ("e", "ɛ"),
        "T": ("t", "ɾ"),
    }
)
"""What speakers of other languages say instead of a sound of English, in the symbols of Kokoro."""
PARTNER_SHARE = (-0.3, 0.5)
"""Range of the share of a second voice in the colour; below 0, the voice moves away from it."""
SAME_SEX_SHARE = 0.7
"""Clips whose melody is of a voice of the same sex, at least."""
RATES = (116, 223)
"""Range of the rate in words per minute, wider than that of other clips."""


@dataclass(frozen=True)
class Accent:
    """The symbols to speak, the second voice and its share in the colour, the voice of the melody and its share."""

    phonemes: str
    partner: str
    share: float
    melody: str
    melody_share: float


def count_of(positives: int) -> int:
    """How many of these positives are accented."""
    return int(positives * SHARE)


def draw(phonemes: str, voice: str, names: Sequence[str], rng: random.Random) -> Accent:
    """An accent for these symbols, spoken by one of the voices `names`, whose second letter is their sex."""
    changed = foreign(phonemes, rng) if rng.random() < CHANGED_SHARE else phonemes
    alike = [name for name in names if name[1:2] == voice[1:2]]
    return Accent(
        phonemes=changed,
        partner=rng.choice(names),
        share=round(rng.uniform(*PARTNER_SHARE), 3),
        melody=rng.choice(alike if rng.random() < SAME_SEX_SHARE else names),
        melody_share=round(rng.uniform(0, 1), 3),
    )


def foreign(phonemes: str, rng: random.Random) -> str:
    """The symbols with some sounds replaced, as in INSTEAD."""
    return "".join(
        rng.choice(INSTEAD[symbol]) if symbol in INSTEAD and rng.random() < SOUND_SHARE else symbol
        for symbol in phonemes
    )
