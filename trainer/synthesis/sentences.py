"""Things that people say, made of a few English frames and common words."""

from __future__ import annotations

import random
from collections.abc import Sequence

OPENINGS = (
    "I think", "maybe", "we said that", "tell me why", "she knows that", "it seems", "did you hear that", "after all",
)  # fmt: skip
SUBJECTS = ("the teacher", "my brother", "that driver", "our neighbor", "a young doctor", "the old captain", "somebody")
VERBS = ("will find", "has lost", "never wanted", "is looking for", "painted", "would like", "carried", "forgot about")
PLACES = ("near the station", "in the kitchen", "before dinner", "on monday morning", "at the market", "by the river")


def sentence(words: Sequence[str], rng: random.Random) -> str:
    """A sentence about one or two of the words."""
    opening = f"{rng.choice(OPENINGS)} " if rng.random() < 0.5 else ""
    place = f" {rng.choice(PLACES)}" if rng.random() < 0.6 else ""
    return f"{opening}{rng.choice(SUBJECTS)} {rng.choice(VERBS)} the {rng.choice(words)} {rng.choice(words)}{place}"
