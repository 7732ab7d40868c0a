"""Texts of synthetic clips in the supported languages: similar phrases, other words and sentences."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import nlargest

from trainer.synthesis import espeak

_ENGLISH_ACCENT_NAMES = "en-us en en-gb-scotland en-029 en-gb-x-rp en-gb-x-gbcwmd en-gb-x-gbclan en-us-nyc"
ENGLISH_ACCENTS = tuple(_ENGLISH_ACCENT_NAMES.split())
_VARIANT_NAMES = """
m1 m2 m3 m4 m5 m6 m7 m8 f1 f4 Alex Andrea Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee
Marco Mario Michael Mike Nguyen Reed adam anika antonio aunty belinda benjamin boris caleb david ed
edward edward2 grandma grandpa gustave ian iven iven2 john kaukovalta linda marcelo max michel miguel
mike2 norbert pablo paul pedro quincy rob robert shelby steph steph2 travis zac
"""
VARIANTS = tuple(_VARIANT_NAMES.split())
"""The 66 variants of espeak-ng that sound like people. Excluded are whispers, robots and characters, and six breathy
variants (Alicia, f2, f3, f5, sandro, victor) whose sound is random, so that a seed would not give the same clips."""


@dataclass(frozen=True)
class Language:
    """A language: its code in wordfreq, its voices in espeak-ng, and the script in the Unicode names of its letters."""

    code: str
    name: str
    accents: tuple[str, ...]
    script: str = "LATIN"

    @property
    def voices(self) -> tuple[str, ...]:
        """One voice for each variant, with the accents in turn."""
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

OPENINGS = (
    "I think",
    "maybe",
    "we said that",
    "tell me why",
    "she knows that",
    "it seems",
    "did you hear that",
    "after all",
)
SUBJECTS = ("the teacher", "my brother", "that driver", "our neighbor", "a young doctor", "the old captain", "somebody")
VERBS = ("will find", "has lost", "never wanted", "is looking for", "painted", "would like", "carried", "forgot about")
PLACES = ("near the station", "in the kitchen", "before dinner", "on monday morning", "at the market", "by the river")
Phonemes = tuple[str, ...]
Pronounce = Callable[[Sequence[str]], list[Phonemes]]
LONGEST_PHRASE = 60
SHORT_PHONEMES = 4
"""A phrase of fewer phonemes occurs inside many ordinary words, where nobody hears it."""
COMMON_WORDS = 4000
NEAREST_WORDS = 8
PAIRED_WORDS, BORDER_PAIRS = 4, 60


def find_language(code: str) -> Language:
    """The language with this code. Raises ValueError."""
    if code not in LANGUAGES:
        raise ValueError(f"The language {code!r:.20} is not supported; choose one of {', '.join(LANGUAGES)}.")
    return LANGUAGES[code]


@cache
def common_words(language: Language) -> tuple[str, ...]:
    """The most frequent words of a language in its own letters, most frequent first."""
    import wordfreq  # its import takes a while, and pages only need the names of the languages

    words = wordfreq.top_n_list(language.code, COMMON_WORDS)
    return tuple(word for word in words if len(word) > 1 and all(_is_letter(c, language.script) for c in word))


def _is_letter(character: str, script: str) -> bool:
    return character.isalpha() and unicodedata.name(character, "").startswith(script)


def pronounce_in(language: Language) -> Pronounce:
    """A function that converts texts of a language to phonemes."""
    return lambda texts: espeak.phonemes(texts, language.accents[0])


def check(phrase: str, language: Language) -> str:
    """The phrase with single spaces. Raises ValueError if it cannot be spoken in this language."""
    cleaned = " ".join(phrase.split())
    if not cleaned:
        raise ValueError("The phrase is empty; give the words that the device should respond to, such as hey atlas.")
    if len(cleaned) > LONGEST_PHRASE:
        raise ValueError(f"The phrase has {len(cleaned)} characters; give at most {LONGEST_PHRASE}.")
    foreign = [c for c in cleaned if c.isalpha() and not unicodedata.name(c, "").startswith(language.script)]
    if foreign:
        raise ValueError(
            f"The phrase {cleaned!r} contains {foreign[0]!r}, which is not a letter of {language.name}; "
            "choose another language, or give the phrase in letters of this one."
        )
    bad = [c for c in cleaned if unicodedata.category(c)[0] not in "LMNZ" and c not in "'’-.,!?"]
    if bad:
        raise ValueError(f"The phrase {cleaned!r} contains {bad[0]!r}, which cannot be spoken; give only words.")
    if not any(c.isalpha() for c in cleaned):
        raise ValueError(f"The phrase {cleaned!r} contains no letters; give it in words.")
    return cleaned


def distance(a: Phonemes, b: Phonemes) -> int:
    """The smallest number of insertions, deletions and replacements that turn `a` into `b` (Levenshtein 1966)."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def contains(phonemes: Phonemes, part: Phonemes) -> bool:
    """Whether `part` is a contiguous part of `phonemes`."""
    return any(phonemes[i : i + len(part)] == part for i in range(len(phonemes) - len(part) + 1))


def _without(phrase: str, target: Phonemes, texts: Sequence[str], pronounce: Pronounce) -> list[str]:
    """The texts that do not contain the phrase; a short phrase counts only as separate words."""
    if len(target) >= SHORT_PHONEMES:
        return [t for t, sound in zip(texts, pronounce(texts), strict=True) if sound and not contains(sound, target)]
    others = [text for text in texts if f" {phrase.casefold()} " not in f" {text.casefold()} "]
    return [text for text, sound in zip(others, pronounce(others), strict=True) if sound and sound != target]


def _nearest(word: Phonemes, lexicon: dict[str, Phonemes], count: int = NEAREST_WORDS) -> list[str]:
    """The words of a lexicon that sound most like `word` and differ from it, by relative distance."""

    def relative(name: str) -> tuple[float, str]:
        return distance(word, lexicon[name]) / max(len(word), len(lexicon[name])), name

    return sorted((name for name, sound in lexicon.items() if sound != word), key=relative)[:count]


@cache
def lexicon(language: Language) -> dict[str, Phonemes]:
    """The common words of a language with their sounds."""
    common = common_words(language)
    return dict(zip(common, pronounce_in(language)(common), strict=True))


def _shared(a: Phonemes, b: Phonemes) -> int:
    """How many phonemes two sounds share at their beginning."""
    return next((i for i, (left, right) in enumerate(zip(a, b, strict=False)) if left != right), min(len(a), len(b)))


def border_pairs(phrase: str, language: Language) -> list[str]:
    """Pairs of common words that hold half the sounds of the phrase or more across their border, such as `hey
    atmosphere` for `hey atlas`; none contains it."""
    (target,) = pronounce_in(language)([phrase])
    pairs = dict[str, int]()
    for cut in range(1, len(target)):
        ends = {word: _shared(sound[::-1], target[:cut][::-1]) for word, sound in lexicon(language).items()}
        begins = {word: _shared(sound, target[cut:]) for word, sound in lexicon(language).items()}
        firsts, seconds = (nlargest(PAIRED_WORDS, lengths, key=lengths.__getitem__) for lengths in (ends, begins))
        pairs |= {f"{one} {two}": ends[one] + begins[two] for one in firsts for two in seconds}
    likely = sorted((pair for pair in pairs if 2 * pairs[pair] >= len(target)), key=lambda pair: -pairs[pair])
    return _without(phrase, target, likely[:BORDER_PAIRS], pronounce_in(language))


def _parts(phrase: str) -> list[str]:
    """Parts of the phrase: each word, the halves of long words, and all words but the first or last."""
    words = phrase.split()
    halves = [half for word in words if len(word) >= 5 for half in (word[: len(word) // 2 + 1], word[len(word) // 2 :])]
    several = [" ".join(words[:-1]), " ".join(words[1:])] if len(words) > 1 else []
    return [*(words if len(words) > 1 else []), *halves, *several]


def check_texts(texts: Sequence[str], phrase: str, language: Language) -> list[str]:
    """The look-alikes of a user, cleaned. Raises ValueError for one that cannot be spoken or contains the phrase."""
    cleaned = list(dict.fromkeys(check(text, language) for text in texts if text.strip()))
    pronounce = pronounce_in(language)
    (target,) = pronounce([phrase])
    different = _without(phrase, target, cleaned, pronounce)
    if wrong := [text for text in cleaned if text not in different]:
        raise ValueError(f"{wrong[0]!r} sounds like the phrase itself; remove it from the look-alikes.")
    return cleaned


def look_alikes(phrase: str, language: Language, least_distance: int = 1) -> list[str]:
    """Texts that are easily confused with the phrase, none of which contains it.

    They are parts of the phrase, its words in reverse order, and combinations with common words that sound similar.
    Each is at least `least_distance` phonemes away from the phrase.
    """
    words, pronounce, common = phrase.split(), pronounce_in(language), lexicon(language)
    target, *sounds = pronounce([phrase, *words])
    texts = _parts(phrase)
    if len(words) > 1:
        texts.append(" ".join(reversed(words)))
    for index, sound in enumerate(sounds):
        for near in _nearest(sound, common):
            texts += [" ".join([*words[:index], near, *words[index + 1 :]]), near]
    texts += _nearest(target, common)
    texts += [f"{near} {words[-1]}" for near in _nearest(sounds[0], common, 3)] if len(words) == 1 else []
    different = _without(phrase, target, list(dict.fromkeys(text for text in texts if text)), pronounce)
    distances = [distance(target, sound) for sound in pronounce(different)]
    return [text for text, away in zip(different, distances, strict=True) if away >= least_distance]


def _sentence(words: Sequence[str], rng: random.Random) -> str:
    """An English sentence with two of the words."""
    opening = f"{rng.choice(OPENINGS)} " if rng.random() < 0.5 else ""
    place = f" {rng.choice(PLACES)}" if rng.random() < 0.6 else ""
    return f"{opening}{rng.choice(SUBJECTS)} {rng.choice(VERBS)} the {rng.choice(words)} {rng.choice(words)}{place}"


def other_texts(phrase: str, count: int, seed: int, language: Language) -> list[str]:
    """`count` texts that do not contain the phrase: two in five are one or two words, the others are sentences.

    In languages other than English, a sentence is a sequence of three to eight words.
    """
    rng, words = random.Random(seed), common_words(language)

    def draw() -> str:
        if rng.random() < 0.4:
            return " ".join(rng.sample(words, rng.choice((1, 1, 2))))
        return _sentence(words, rng) if language.code == "en" else " ".join(rng.sample(words, rng.randint(3, 8)))

    return _drawn(phrase, count, language, draw)


def _drawn(phrase: str, count: int, language: Language, draw: Callable[[], str]) -> list[str]:
    """`count` drawn texts that do not contain the phrase."""
    pronounce = pronounce_in(language)
    (target,) = pronounce([phrase])
    texts: list[str] = []
    while len(texts) < count:
        texts += _without(phrase, target, [draw() for _ in range(count - len(texts))], pronounce)
    return texts


def fluent_sentences(phrase: str, count: int, seed: int) -> list[str]:
    """`count` English sentences that do not contain the phrase; one in ten holds parts of it, in a look-alike or across
    the border of two words."""
    language = LANGUAGES["en"]
    rng, words = random.Random(seed), common_words(language)
    similar = [*look_alikes(phrase, language), *border_pairs(phrase, language)]
    weights = [1 / (rank + 20) for rank in range(len(words))]

    def draw() -> str:
        kind = rng.random()
        if kind < 0.1:
            return f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(similar)} {rng.choice(PLACES)}"
        return _sentence(words, rng) if kind < 0.5 else " ".join(rng.choices(words, weights, k=rng.randint(4, 12)))

    return _drawn(phrase, count, language, draw)
