"""The recipe of a typed word."""

import pytest

from tests.tiny import ignore
from trainer.synthesis import engines, recipes, typed_words
from trainer.system.workspace import LABELS, STREAM, Workspace


def test_a_recipe_has_clips_of_every_label_by_the_engines_that_are_named():
    recipe = typed_words.recipe("hey atlas", ["espeak", "kokoro"], seed=3)
    recipe.check()
    assert (recipe.phrase, recipe.seed, recipe.engines) == ("hey atlas", 3, ("espeak", "kokoro"))
    assert set(recipe.counts) == set(LABELS) - {STREAM} and all(recipe.counts.values())
    assert typed_words.recipe("guten morgen", [], language="de").language == "de"


def test_a_recipe_can_be_changed_without_changing_the_next_one():
    typed_words.recipe("hey atlas", [engines.ESPEAK]).counts["positive"] = 1
    assert typed_words.recipe("hey atlas", [engines.ESPEAK]).counts == typed_words.COUNTS


def test_what_is_wrong_with_the_phrase_or_the_engines_is_told(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(ValueError, match="The phrase is empty"):
        recipes.synthesise(workspace, typed_words.recipe(" ", [engines.ESPEAK]), ignore)
    with pytest.raises(ValueError, match="Kokoro voices are not installed"):
        recipes.synthesise(workspace, typed_words.recipe("hey atlas", ["kokoro"]), ignore)
