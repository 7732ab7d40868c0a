"""Pronunciations that a user writes in IPA: checked against the sounds of a language, and spelled for espeak-ng.

espeak-ng reads names of phonemes, not IPA. How it names the sounds of a language is learned from the common words of
that language, which it gives in both notations.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache

from trainer.synthesis import espeak, phrases
from trainer.synthesis.phrases import Language

LEARNED_WORDS = 1500
"""Common words from which the names of the sounds are learned."""
LONGEST = 120
"""The most characters of a pronunciation."""
JOINED = ("", "əl")
"""Not taken for one sound, as in "hello" the second is two."""
PRIMARY, SECONDARY = "ˈ", "ˌ"
STRESS = {PRIMARY: "'", SECONDARY: ","}
_TYPED = str.maketrans({"'": PRIMARY, ":": "ː", "g": "ɡ", "/": "", "[": "", "]": "", ".": "", "\u0361": ""})
_VOWELS = "?ʔaeiouyæøœɑɐɒɔəɛɜɪʊʌɨʉɯɚɝɤɵᵻ"
_LATE_STRESS = re.compile(f"([{PRIMARY}{SECONDARY}])([^{_VOWELS}{PRIMARY}{SECONDARY} ]+)")
_ALIKE = {"r": "ɹʁɾ", "ɹ": "r", "e": "ɛ", "ɛ": "e", "o": "ɔ", "ɔ": "oɒ", "a": "æɑ", "ɝ": "ɜ", "ʌ": "ɐ", "ɒ": "ɑ"}
"""Sounds that stand for another one in languages without it."""


def suggested(phrase: str, language: Language) -> str:
    """How espeak-ng pronounces a phrase, in IPA. Raises ValueError for one that cannot be spoken."""
    checked = phrases.check(phrase, language)
    return espeak.ipa([checked], language.accents[0])[checked]


@cache
def _names(language: Language) -> Mapping[str, str]:
    """The name in espeak-ng of each sound of a language, by its IPA without stress."""
    counts = defaultdict[str, Counter[str]](Counter)
    for ipa, name in espeak.phoneme_names(phrases.common_words(language)[:LEARNED_WORDS], language.accents[0]):
        if "(" not in ipa:  # a change of language
            counts[unicodedata.normalize("NFD", ipa).lstrip(PRIMARY + SECONDARY)][name.lstrip("',")] += 1
    return {ipa: max(sorted(names), key=names.__getitem__) for ipa, names in counts.items() if ipa not in JOINED}


def check(ipa: str, language: Language) -> str:
    """A pronunciation as the engines read it, with stress marks before vowels. Raises ValueError for a sound that the
    language does not have."""
    spelled(ipa, language)
    return _normalised(ipa)


def _normalised(ipa: str) -> str:
    text = " ".join(unicodedata.normalize("NFD", ipa).translate(_TYPED).split())
    return unicodedata.normalize("NFC", _LATE_STRESS.sub(r"\2\1", text))


def spelled(ipa: str, language: Language) -> str:
    """A pronunciation in the names of espeak-ng's phonemes. Raises ValueError as `check`."""
    text, names = unicodedata.normalize("NFD", _normalised(ipa)), _names(language)
    if not any(character.isalpha() and character not in STRESS for character in text) or len(text) > LONGEST:
        raise ValueError(f"The pronunciation {ipa!r:.80} is empty or longer than {LONGEST} characters; give it in IPA.")
    longest, words, at = max(map(len, names)), [""], 0
    while at < len(text):
        if text[at] == " ":
            words.append("")
        elif text[at] in STRESS:
            words[-1] += STRESS[text[at]]
        else:
            length = next((n for n in range(longest, 0, -1) if _name(text[at : at + n], names)), 0)
            if not length:
                raise _unknown(ipa, text[at:], language)
            words[-1] += f"{_name(text[at : at + length], names)}|"
            at += length - 1
        at += 1
    return " ".join(word.removesuffix("|") for word in words)


def _name(sound: str, names: Mapping[str, str]) -> str:
    """The name of a sound, or of the one that stands for it: long for short, or alike; empty without any."""
    first, rest = sound[:1], sound[1:]
    alike = [f"{other}{rest}" for other in _ALIKE.get(first, "")]
    candidates = [form for each in (sound, *alike) for form in (each, f"{each}ː", each.removesuffix("ː"))]
    return next((names[form] for form in candidates if form in names), "")


def _unknown(ipa: str, rest: str, language: Language) -> ValueError:
    symbols = " ".join(sorted(_names(language)))
    return ValueError(
        f"The pronunciation {ipa!r:.80} contains {rest[0]!r}, which is not a sound of {language.name}; use {symbols}, "
        f"and {PRIMARY} before a stressed vowel."
    )
