import json

import pytest

from pages.ui.shared import charts, curves
from pages.ui.shared.curves import PLOTS, Plot


def layers(plot: Plot, smoothed: bool = False, log: bool = False, lines: tuple[str, ...] = ()) -> list[dict]:
    every = tuple(name for name, _ in plot.lines.values())
    return json.loads(charts.specification(plot.key, smoothed, log, lines or every))["layer"]


def plot_of(key: str) -> Plot:
    return next(plot for plot in PLOTS if plot.key == key)


def colours(key: str, *lines: str) -> dict[str, str]:
    scale = layers(plot_of(key), lines=lines)[0]["encoding"]["color"]["scale"]
    return dict(zip(scale["domain"], scale["range"], strict=True))


def test_the_colours_are_those_that_people_know():
    assert colours("loss") == {"Training": curves.BLUE, "Validation": curves.ORANGE}
    assert colours("rates") == {"FPR": curves.RED, "FNR": curves.ORANGE, "F1": curves.GREEN}


def test_a_line_without_data_is_in_no_legend():
    assert colours("load", "CPU") == {"CPU": curves.BLUE}


def test_accuracy_goes_from_0_to_105_percent():
    assert layers(plot_of("accuracy"))[0]["encoding"]["y"]["scale"]["domain"] == [0, 105]


def test_small_rates_are_apart_from_zero_and_from_each_other():
    """0.1 % and 1 % stand apart as 10 % and 100 % do, and a run without false alarms has a line too."""
    encoding = layers(plot_of("rates"))[0]["encoding"]["y"]
    assert encoding["scale"] | {"domain": [0, 100], "type": "symlog", "constant": 0.1} == encoding["scale"]
    assert encoding["axis"]["values"] == [0, 0.1, 0.3, 1, 3, 10, 30, 100]


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.key)
def test_the_markers_of_end_points_are_whole(plot):
    for layer in layers(plot):
        assert all(layer["encoding"][axis]["scale"]["padding"] >= 5 for axis in "xy")
        assert layer["encoding"]["x"]["scale"]["nice"] is False, "no epoch 0"


def test_log_scale_is_for_the_loss():
    assert [layer["encoding"]["y"]["scale"]["type"] for layer in layers(plot_of("loss"), log=True)] == ["log", "log"]
    assert [plot.key for plot in PLOTS if plot.may_be_log] == ["loss"]


def test_smoothing_adds_a_line_and_keeps_the_raw_one_faint():
    plain, smoothed = layers(plot_of("loss")), layers(plot_of("loss"), smoothed=True)
    assert [layer["encoding"]["y"]["field"] for layer in plain] == ["value", "value"]
    assert [layer["encoding"]["y"]["field"] for layer in smoothed] == ["value", "value", "smooth"]
    assert smoothed[0]["mark"]["opacity"] < 0.5 and plain[0]["mark"]["opacity"] == 1


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.key)
def test_every_chart_has_markers_tooltips_a_grid_and_zoom(plot):
    found = layers(plot)
    assert [layer["mark"]["type"] for layer in found] == ["line", "point"]
    assert all(len(layer["encoding"]["tooltip"]) == 3 and layer["encoding"]["y"]["axis"]["grid"] for layer in found)
    every = tuple(name for name, _ in plot.lines.values())
    spec = json.loads(charts.specification(plot.key, False, False, every))
    assert [param["name"] for param in spec["params"]] == ["grabbed", "zoomed"]
    assert all(layer["encoding"]["x"]["scale"]["domainRaw"] == {"expr": "zoomed"} for layer in found)
