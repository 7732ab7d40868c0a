"""Phonemes in the symbols of Kokoro, from the IPA of espeak-ng.

Kokoro was trained on the symbols of misaki, in which one character stands for a diphthong or an affricate. The table
follows its fallback to espeak-ng: https://github.com/hexgrad/misaki/blob/main/EN_PHONES.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from trainer.synthesis import espeak

AMERICAN, BRITISH = "en-us", "en-gb-x-rp"
"""Voices of espeak-ng."""
ENGLISH = {
    "ʔn\u0329": "tn",
    "ʔn": "tn",
    "ʔ": "t",
    "n\u0329": "ᵊn",
    "aɪ": "I",
    "aʊ": "W",
    "dʒ": "ʤ",
    "eɪ": "A",
    "tʃ": "ʧ",
    "ɔɪ": "Y",
    "ɚɹ": "əɹ",
    "ɚ": "əɹ",
    "r": "ɹ",
    "x": "k",
    "\u00e7": "k",
    "ɐ": "ə",
    "ɬ": "l",
    "ʲ": "",
    "\u0303": "",
}
ACCENTS = {
    AMERICAN: ENGLISH | {"oʊ": "O", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ɾ": "T", "ː": ""},
    BRITISH: ENGLISH | {"əʊ": "Q", "iə": "ɪə", "eə": "ɛː"},
}
OTHERS = {"aɪ": "I", "aʊ": "W", "dz": "ʣ", "dʒ": "ʤ", "eɪ": "A", "oʊ": "O", "ts": "ʦ", "tʃ": "ʧ", "ɔɪ": "Y"}
EVERYWHERE = {"g": "ɡ", "\u0361": "", "c\u0327": "\u00e7"}
"""The script g, ties, and the one letter whose mark is part of it."""
_SYLLABIC_L = re.compile(r"əl(?= |$)")


def symbols(ipa: str, accent: str) -> str:
    """IPA of espeak-ng, spoken with this accent, in the symbols of Kokoro. Stress marks and spaces are kept."""
    text = unicodedata.normalize("NFD", ipa)
    text = _replaced(text, EVERYWHERE)
    text = _replaced(text, ACCENTS.get(accent, OTHERS))
    return _SYLLABIC_L.sub("ᵊl", text) if accent in ACCENTS else text


def _replaced(text: str, table: Mapping[str, str]) -> str:
    """The text with every key of the table replaced once, longer keys first."""
    keys = sorted(table, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, keys)), lambda match: table[match[0]], text)


def of_texts(texts: Sequence[str], accent: str) -> dict[str, str]:
    """The symbols of each text, spoken with this accent."""
    return {text: symbols(ipa, accent) for text, ipa in espeak.ipa(texts, accent).items()}


def tokens(phonemes: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The numbers of the symbols; symbols without a number are left out."""
    return [vocabulary[symbol] for symbol in phonemes if symbol in vocabulary]
