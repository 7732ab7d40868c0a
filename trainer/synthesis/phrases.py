"""Texts of synthetic clips: similar phrases, other words, sentences. Text in, text out."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence

from trainer.synthesis import espeak, languages
from trainer.synthesis.languages import Language

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
SHORT = 4
"""Fewer phonemes than this are part of many an ordinary word, in which nobody hears the phrase."""
NEAREST = 8


def sentence(words: Sequence[str], rng: random.Random) -> str:
    """A sentence about one or two of the words."""
    opening = f"{rng.choice(OPENINGS)} " if rng.random() < 0.5 else ""
    place = f" {rng.choice(PLACES)}" if rng.random() < 0.6 else ""
    return f"{opening}{rng.choice(SUBJECTS)} {rng.choice(VERBS)} the {rng.choice(words)} {rng.choice(words)}{place}"


def pronounce_in(language: Language) -> Pronounce:
    """How texts sound in a language: each as its phonemes."""
    return lambda texts: espeak.phonemes(texts, language.accents[0])


def check(phrase: str, language: Language) -> str:
    """The phrase without needless space. Raises ValueError when it cannot be spoken in this language."""
    cleaned = " ".join(phrase.split())
    if not cleaned:
        raise ValueError("The phrase is empty; give the words that the device shall answer to, such as hey atlas.")
    if len(cleaned) > LONGEST_PHRASE:
        raise ValueError(f"The phrase has {len(cleaned)} characters; give at most {LONGEST_PHRASE}.")
    bad = [c for c in cleaned if unicodedata.category(c)[0] not in "LMNZ" and c not in "'’-.,!?"]
    foreign = [c for c in cleaned if c.isalpha() and not unicodedata.name(c, "").startswith(language.script)]
    if foreign:
        raise ValueError(
            f"The phrase {cleaned!r} holds {foreign[0]!r}, which is no letter of {language.name}; "
            "choose its language, or give it in other letters."
        )
    if bad or not any(c.isalpha() for c in cleaned):
        raise ValueError(
            f"The phrase {cleaned!r} holds more than words ({bad[0] if bad else 'no letters'!r}); give words."
        )
    return cleaned


def distance(a: Phonemes, b: Phonemes) -> int:
    """Fewest phonemes to insert, remove or replace to make `a` into `b` (Levenshtein 1966)."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def contains(text: Phonemes, part: Phonemes) -> bool:
    """Whether `part` is spoken somewhere in `text`."""
    return any(text[i : i + len(part)] == part for i in range(len(text) - len(part) + 1))


def _without(phrase: str, target: Phonemes, texts: Sequence[str], pronounce: Pronounce) -> list[str]:
    """The texts in which the phrase is not heard: not anywhere, or for a short one not as words of its own."""
    if len(target) >= SHORT:
        return [t for t, sound in zip(texts, pronounce(texts), strict=True) if sound and not contains(sound, target)]
    others = [text for text in texts if f" {phrase.casefold()} " not in f" {text.casefold()} "]
    return [text for text, sound in zip(others, pronounce(others), strict=True) if sound and sound != target]


def _nearest(word: Phonemes, lexicon: dict[str, Phonemes], count: int = NEAREST) -> list[str]:
    """Words that sound most like `word` without being it, by distance as a part of the longer one."""
    other = [name for name, sound in lexicon.items() if sound != word]
    return sorted(other, key=lambda name: (distance(word, lexicon[name]) / max(len(word), len(lexicon[name])), name))[
        :count
    ]


def _parts(phrase: str) -> list[str]:
    """Beginnings and ends of the phrase: each word, and half of a long one."""
    words = phrase.split()
    halves = [half for word in words if len(word) >= 5 for half in (word[: len(word) // 2 + 1], word[len(word) // 2 :])]
    several = [" ".join(words[:-1]), " ".join(words[1:])] if len(words) > 1 else []
    return [*(words if len(words) > 1 else []), *halves, *several]


def check_texts(texts: Sequence[str], phrase: str, language: Language) -> list[str]:
    """A user's look-alikes, cleaned. Raises ValueError for one that cannot be spoken, or that is the phrase."""
    cleaned = list(dict.fromkeys(check(text, language) for text in texts if text.strip()))
    pronounce = pronounce_in(language)
    (target,) = pronounce([phrase])
    kept = _without(phrase, target, cleaned, pronounce)
    if wrong := [text for text in cleaned if text not in kept]:
        raise ValueError(f"{wrong[0]!r} sounds like the phrase itself; take it off the list of look-alikes.")
    return cleaned


def look_alikes(phrase: str, language: Language, least_distance: int = 1) -> list[str]:
    """Texts that are easily taken for the phrase: parts of it, its words swapped, words that sound like its words.

    Each is at least `least_distance` phonemes away from the phrase.

    The words come from the commonest ones of the language, nearest by phonemes.

    In none of them the phrase itself is heard.
    """
    words, pronounce, common = phrase.split(), pronounce_in(language), languages.lexicon(language.code)
    target, *sounds = pronounce([phrase, *words])
    lexicon = dict(zip(common, pronounce(common), strict=True))
    found = _parts(phrase)
    if len(words) > 1:
        found.append(" ".join(reversed(words)))
    for index, sound in enumerate(sounds):
        for near in _nearest(sound, lexicon):
            found += [" ".join([*words[:index], near, *words[index + 1 :]]), near]
    found += _nearest(target, lexicon)
    found += [f"{near} {words[-1]}" for near in _nearest(sounds[0], lexicon, 3)] if len(words) == 1 else []
    unique = list(dict.fromkeys(text for text in found if text))
    kept = _without(phrase, target, unique, pronounce)
    apart = [distance(target, sound) >= least_distance for sound in pronounce(kept)]
    return [text for text, far in zip(kept, apart, strict=True) if far]


def other_texts(phrase: str, count: int, seed: int, language: Language) -> list[str]:
    """`count` texts that do not hold the phrase: two in five are a word or two, the others sentences.

    In other languages than English a sentence is three to eight words in a row.
    """
    rng, pronounce, words = random.Random(seed), pronounce_in(language), languages.lexicon(language.code)
    (target,) = pronounce([phrase])

    def draw() -> str:
        if rng.random() < 0.4:
            return " ".join(rng.sample(words, rng.choice((1, 1, 2))))
        return sentence(words, rng) if language.code == "en" else " ".join(rng.sample(words, rng.randint(3, 8)))

    found: list[str] = []
    while len(found) < count:
        found += _without(phrase, target, [draw() for _ in range(count - len(found))], pronounce)
    return found
