"""Which cells of a long recording are kept: what scores above a margin, what is around it, and a random share."""

import numpy as np
import pytest

from trainer.dataset import stretches
from trainer.dataset.stretches import CELL_SAMPLES, Cell, Rule


def audio(scores: list[float]) -> list[Cell]:
    return [Cell(number, np.zeros(CELL_SAMPLES, np.int16), score) for number, score in enumerate(scores)]


def kept(scores: list[float], above: float = 0.5, share: float = 0.0, seed: int = 0) -> list[int]:
    decisions = list(stretches.choose(audio(scores), Rule(above, share, seed)))
    assert [cell.number for cell, _ in decisions] == list(range(len(scores)))
    return [cell.number for cell, is_kept in decisions if is_kept]


@pytest.mark.parametrize("size", [1, 999, 1280, CELL_SAMPLES, 3 * CELL_SAMPLES + 7])
def test_cells_hold_all_samples_in_order_whatever_the_pieces(size: int):
    samples = np.random.default_rng(0).integers(-32768, 32767, 2 * CELL_SAMPLES + 123).astype(np.int16)
    pieces = [samples[first : first + size] for first in range(0, len(samples), size)]
    cells = list(stretches.cells(pieces))
    assert [len(cell.samples) for cell in cells] == [CELL_SAMPLES, CELL_SAMPLES, 123]
    assert np.array_equal(np.concatenate([cell.samples for cell in cells]), samples)
    assert [cell.number for cell in cells] == [0, 1, 2] and cells[2].seconds == pytest.approx(123 / 16000)


def test_float_samples_become_16_bits_without_wrapping():
    (cell,) = stretches.cells([np.array([-2, -1, 0, 0.5, 1, 2], np.float32)])
    assert cell.samples.tolist() == [-32767, -32767, 0, 16384, 32767, 32767]


def test_what_scores_above_the_margin_is_kept_with_three_seconds_around():
    scores = [0.0] * 40
    scores[20] = 0.5
    assert kept(scores) == list(range(14, 27))
    scores[30] = 0.9
    assert kept(scores) == list(range(14, 37))  # overlapping stretches are one
    assert kept([0.0, 0.6, 0.0]) == [0, 1, 2] and kept([0.49] * 30) == []


def test_a_share_of_the_rest_is_kept_at_random_in_stretches_of_half_a_minute():
    numbers = kept([0.0] * 60 * 200, share=0.2, seed=3)
    assert 0.1 < len(numbers) / 12_000 < 0.3
    blocks = {number // 60 for number in numbers}
    assert len(numbers) == 60 * len(blocks)
    assert kept([0.0] * 600, share=1.0) == list(range(600))
    assert kept([0.0] * 6000, share=0.5, seed=1) != kept([0.0] * 6000, share=0.5, seed=2)


def test_without_a_rule_everything_is_kept_at_once():
    cells = iter(audio([0.0, 0.0]))
    decisions = stretches.choose(cells, None)
    assert next(decisions)[1] and next(cells).number == 1
