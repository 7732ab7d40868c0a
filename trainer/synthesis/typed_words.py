"""The recipe of a data set for a word that is typed: how many clips of each label, and who speaks them.

The counts are those of `benchmarks.typed`, which measures how many people a detector from them misses (see
docs/measurements/quality.md). Changing them changes what the page suggests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from trainer.synthesis.recipes import Recipe

COUNTS: Mapping[str, int] = MappingProxyType(
    {"positive": 900, "negative": 600, "hard_negative": 300, "background": 80, "rirs": 60}
)
"""Clips by label."""


def recipe(phrase: str, engines: Sequence[str], seed: int = 0, language: str = "en") -> Recipe:
    """The clips from which a detector of a word learns without recordings of people, divided between these engines.

    Without names, all engines speak that are installed. `recipes.synthesise` checks the phrase and the engines.
    """
    return Recipe(phrase, language, seed=seed, counts=dict(COUNTS), engines=tuple(engines), is_varied=True)
