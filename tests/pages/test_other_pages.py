"""The Evaluation and Runs pages as a user meets them."""

import pytest

from tests.pages.tools import draw, links, metric
from tests.run_folders import end, make_run


def test_evaluation_shows_the_best_epoch_and_says_what_it_is_not(workspace):
    run = make_run(workspace, epochs=5)
    end(run, "completed", "All done.")
    app = draw("Evaluation", section="Clips")
    assert (metric(app, "Best epoch"), metric(app, "FNR")) == ("5", "26.76 %")
    assert app.table[0].value.values.tolist() == [[88, 12], [7, 1193]]
    assert any("not per hour" in c.value and "The test split is not used" in c.value for c in app.caption)


@pytest.mark.parametrize("epochs", [None, 0])
def test_evaluation_without_a_model_says_where_to_go(workspace, epochs):
    if epochs is not None:
        make_run(workspace, epochs=epochs)
    app = draw("Evaluation")
    assert len(app.info) == 1
    assert links(app) == ["Go to Training"]


def test_runs_are_listed_newest_first_whatever_their_state(workspace):
    end(make_run(workspace, 1, "Old", epochs=5), "completed", "All done.")
    make_run(workspace, 2)
    (make_run(workspace, 3).request_file).write_text("{")
    table = draw("Runs").dataframe[0].value
    assert table["State"].tolist() == ["Damaged", "Lost", "Completed"]
    assert table["Name"].tolist()[1:] == ["20260101-120000-0002", "Old"]
    assert table.loc[2, "Epochs"] == "6/40" and table.loc[2, "Val loss"] == pytest.approx(0.7353, abs=1e-4)
    assert table.loc[2, "Miss rate"] == pytest.approx(4.3) and table.loc[2, "Measured on"].startswith("validation")
    assert not {"F1", "FPR", "FNR", "Accuracy"} & set(table), "rates per window are told where it is said what they are"


def test_no_runs_leads_to_training(empty):
    assert links(draw("Runs")) == ["Go to Training"]
