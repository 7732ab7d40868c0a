import json

import pytest

from pages.ui import charts
from pages.ui.charts import PLOTS, Style


def colours(key: str) -> dict[str, str]:
    scale = json.loads(charts.specification(key, Style(), 40))["layer"][0]["encoding"]["color"]["scale"]
    return dict(zip(scale["domain"], scale["range"], strict=True))


def test_the_colours_are_those_that_people_know():
    assert colours("loss") == {"Training": charts.BLUE, "Validation": charts.ORANGE}
    assert colours("rates") == {"FPR": charts.RED, "FNR": charts.ORANGE, "F1": charts.GREEN}


def test_accuracy_goes_from_0_to_105_percent():
    layer = json.loads(charts.specification("accuracy", Style(), 40))["layer"][0]
    assert layer["encoding"]["y"]["scale"]["domain"] == [0, 105]


def test_log_scale_is_for_the_loss_alone():
    kinds = {
        plot.key: json.loads(charts.specification(plot.key, Style(log_scale=True), 40))["layer"][0]["encoding"]["y"][
            "scale"
        ].get("type")
        for plot in PLOTS
    }
    assert kinds.pop("loss") == "log"
    assert set(kinds.values()) == {None}


def test_smoothing_adds_a_line_and_keeps_the_raw_one_faint():
    plain, smoothed = (json.loads(charts.specification("loss", style, 40))["layer"] for style in (Style(), Style(0.6)))
    assert [layer["encoding"]["y"]["field"] for layer in plain] == ["value", "value"]
    assert [layer["encoding"]["y"]["field"] for layer in smoothed] == ["value", "value", "smooth"]
    assert smoothed[0]["mark"]["opacity"] < 0.5 and plain[0]["mark"]["opacity"] == 1


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.key)
def test_every_chart_has_markers_tooltips_and_a_grid(plot):
    layers = json.loads(charts.specification(plot.key, Style(), 40))["layer"]
    assert [layer["mark"]["type"] for layer in layers] == ["line", "point"]
    assert all(len(layer["encoding"]["tooltip"]) == 3 and layer["encoding"]["y"]["axis"]["grid"] for layer in layers)
