import numpy as np
import pytest

from pages.ui.shared import curves
from pages.ui.shared.curves import Style, curve_table
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


def numbers(*rows: dict) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows], dtype=float) for name in ("epoch", "train_loss", "val_loss")}


def test_a_table_leaves_out_what_is_no_number():
    rows = [epoch_row(1), epoch_row(2) | {"val_loss": None}, epoch_row(3) | {"train_loss": float("nan")}]
    table = curve_table(numbers(*rows), {"train_loss": "Training", "val_loss": "Validation"}, 100, Style()).to_pandas()
    assert table[["epoch", "line"]].values.tolist() == [
        [1, "Training"], [2, "Training"], [1, "Validation"], [3, "Validation"],
    ]  # fmt: skip
    assert table["value"][0] == pytest.approx(100 * rows[0]["train_loss"])


def test_a_table_of_no_rows_is_empty():
    assert len(curve_table({}, {"f1": "F1"}, 1, Style(0.5))) == 0


def test_epochs_that_are_asked_for_are_shown_in_full():
    many = {"epoch": np.arange(1.0, 100_001), "train_loss": np.sin(np.arange(100_000.0))}
    whole = curve_table(many, {"train_loss": "Training"}, 1, Style(0.9)).to_pandas()
    assert 1000 < len(whole) <= curves.MOST_POINTS
    part = curve_table(many, {"train_loss": "Training"}, 1, Style(0.9, first=50_001, last=51_000)).to_pandas()
    assert part["epoch"].tolist() == list(range(50_001, 51_001))
    shown = whole.merge(part, on="epoch")
    assert len(shown) and (shown["smooth_x"] == shown["smooth_y"]).all(), "smoothing is that of all epochs"


def test_a_line_that_grows_keeps_the_points_it_had():
    values = np.random.default_rng(0).random(9000)
    before, after = curves.thin(values[:8200]), curves.thin(values)
    assert set(before[before < 8192].tolist()) <= set(after.tolist())


def test_a_logarithm_gets_what_is_above_0():
    found = {"epoch": np.arange(1.0, 4), "train_loss": np.array([1.0, 0.0, -1.0])}
    assert curve_table(found, {"train_loss": "Training"}, 1, Style(), positive=True)["epoch"].to_pylist() == [1]
