"""Supported languages: voices, and common words as material for negatives and similar phrases."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

LEXICON_WORDS = 4000
_ENGLISH_ACCENTS_TEXT = """
en-us en en-gb-scotland en-029 en-gb-x-rp en-gb-x-gbcwmd en-gb-x-gbclan en-us-nyc
"""
ENGLISH_ACCENTS = tuple(_ENGLISH_ACCENTS_TEXT.split())
_VARIANTS_TEXT = """
m1 m2 m3 m4 m5 m6 m7 m8 f1 f4 Alex Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee
Marco Mario Michael Mike Nguyen Reed adam anika antonio aunty belinda benjamin boris caleb david ed
edward edward2 grandma grandpa gustave ian iven iven2 john kaukovalta linda marcelo max michel miguel
mike2 norbert pablo paul pedro quincy rob robert shelby steph steph2 travis zac
"""
VARIANTS = tuple(_VARIANTS_TEXT.split())
"""Variants that sound like people, 66 of them. Left out are whispering, robots and characters, and six breathy ones
(Alicia, f2, f3, f5, sandro, victor) that sound different each time, so that a seed would not give the same clips."""


@dataclass(frozen=True)
class Language:
    """`code` is wordfreq's, `accents` are espeak-ng's voices, `script` begins the Unicode names of its letters."""

    code: str
    name: str
    accents: tuple[str, ...]
    script: str = "LATIN"

    @property
    def voices(self) -> tuple[str, ...]:
        """A voice for each variant, the accents by turns."""
        return tuple(f"{self.accents[i % len(self.accents)]}+{variant}" for i, variant in enumerate(VARIANTS))


LANGUAGES = {
    language.code: language
    for language in (
        Language("en", "English", ENGLISH_ACCENTS),
        Language("ca", "Catalan", ("ca",)),
        Language("cs", "Czech", ("cs",)),
        Language("da", "Danish", ("da",)),
        Language("de", "German", ("de",)),
        Language("el", "Greek", ("el",), "GREEK"),
        Language("es", "Spanish", ("es", "es-419")),
        Language("fi", "Finnish", ("fi",)),
        Language("fr", "French", ("fr", "fr-be", "fr-ch")),
        Language("hu", "Hungarian", ("hu",)),
        Language("it", "Italian", ("it",)),
        Language("nb", "Norwegian", ("nb",)),
        Language("nl", "Dutch", ("nl",)),
        Language("pl", "Polish", ("pl",)),
        Language("pt", "Portuguese", ("pt", "pt-br")),
        Language("ro", "Romanian", ("ro",)),
        Language("ru", "Russian", ("ru",), "CYRILLIC"),
        Language("sv", "Swedish", ("sv",)),
        Language("tr", "Turkish", ("tr",)),
        Language("uk", "Ukrainian", ("uk",), "CYRILLIC"),
    )
}


def find(code: str) -> Language:
    """The language of a code. Raises ValueError."""
    if code not in LANGUAGES:
        raise ValueError(f"There is no language {code!r:.20}; choose one of {', '.join(LANGUAGES)}.")
    return LANGUAGES[code]


@cache
def lexicon(code: str) -> tuple[str, ...]:
    """The commonest words of a language that are written in its own letters, commonest first."""
    import wordfreq  # reads for a while, and a page that only names the languages need not wait

    script = find(code).script
    words = wordfreq.top_n_list(code, LEXICON_WORDS)
    return tuple(word for word in words if len(word) > 1 and all(_is_letter(c, script) for c in word))


def _is_letter(character: str, script: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith(script)
