import pytest

from trainer.system.display_text import counted


@pytest.mark.parametrize(("number", "told"), [(0, "0 clips"), (1, "1 clip"), (2, "2 clips"), (12_000, "12,000 clips")])
def test_a_number_of_things_in_words(number, told):
    assert counted(number, "clip") == told
