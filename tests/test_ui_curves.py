import numpy as np
import pytest

from pages.ui import curves
from tests.run_folders import epoch_row


def test_short_lines_are_drawn_whole():
    assert curves.thin(np.arange(2000.0)).tolist() == list(range(2000))


@pytest.mark.parametrize("length", [2001, 3999, 4000, 4001, 10_007])
def test_a_long_line_keeps_its_ends_and_every_spike(length):
    values = np.sin(np.arange(length))
    values[length // 3], values[length // 2] = 50.0, -50.0
    chosen = curves.thin(values)
    assert len(chosen) <= curves.MOST_POINTS
    assert {0, length - 1, length // 3, length // 2} <= set(chosen.tolist())
    assert np.all(np.diff(chosen) > 0)
    assert np.array_equal(chosen, curves.thin(values.copy()))


def test_smoothing_starts_at_the_first_value_and_follows():
    values = np.array([4.0, 0.0, 0.0, 0.0])
    smoothed = curves.smooth(values, 0.5)
    assert smoothed[0] == 4.0
    assert np.all(np.diff(smoothed) < 0) and smoothed[-1] > 0
    assert curves.smooth(values, 0.0) is values


def test_a_table_leaves_out_what_is_no_number():
    rows = [epoch_row(1), epoch_row(2) | {"val_loss": None}, epoch_row(3) | {"train_loss": float("nan")}]
    table = curves.curve_table(rows, {"train_loss": "Training", "val_loss": "Validation"}, 100, 0.0)
    assert table[["epoch", "line"]].values.tolist() == [
        [1, "Training"], [2, "Training"], [1, "Validation"], [3, "Validation"],
    ]  # fmt: skip
    assert table["value"][0] == pytest.approx(100 * rows[0]["train_loss"])


def test_a_table_of_no_rows_is_empty():
    assert curves.curve_table([], {"f1": "F1"}, 1, 0.5).empty
