"""The rating of a phrase: short ones, those inside common words, and common words themselves are told."""

import pytest

from trainer.synthesis import phrases, word_rating

ENGLISH = phrases.find_language("en")


@pytest.mark.parametrize(
    ("phrase", "verdict", "told"),
    [
        ("hey atlas", "good", "has 7 sounds and no common word sounds nearly like it."),
        ("jo", "poor", "part of common words: jones, joke, joseph."),
        ("no", "poor", "Expect false alarms."),
        ("computer", "fair", "It is a common word itself"),
        ("marvin", "fair", "Common words sound nearly like it: martin."),
        ("jarvis", "fair", "which is short (at least 6 are better). Better: “hey jarvis” or “okay jarvis”."),
    ],
)
def test_what_speaks_against_a_phrase(phrase, verdict, told):
    rating = word_rating.rate(f" {phrase} ", ENGLISH)
    assert rating.verdict == verdict and told in " ".join(rating.sentences())


def test_alternatives_rate_good_themselves():
    rating = word_rating.rate("sheila", ENGLISH)
    assert rating.alternatives
    assert all(word_rating.rate(each, ENGLISH).verdict == "good" for each in rating.alternatives)


def test_a_word_is_not_told_twice():
    rating = word_rating.rate("start", ENGLISH)
    assert "starts" in rating.inside and "starts" not in rating.near


def test_another_language_has_its_own_words():
    rating = word_rating.rate("otto", phrases.find_language("de"))
    assert rating.verdict == "poor" and rating.alternatives == ("hallo otto",)


def test_what_cannot_be_spoken_is_not_rated():
    with pytest.raises(ValueError, match="The phrase is empty"):
        word_rating.rate(" ", ENGLISH)
