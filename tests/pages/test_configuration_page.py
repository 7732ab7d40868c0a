"""The Configuration page as a user meets it."""

import pytest

from tests.pages.tools import draw, field, press
from trainer import config_file, durable
from trainer.config import Config


def test_the_form_shows_every_option_and_saves(empty):
    app = draw("Configuration")
    assert field(app, "number_input", "Learning rate").value == Config().optimizer.learning_rate
    press(app, "Save Configuration")
    assert app.success[0].value == f"Saved to {empty.configs / 'my-recommended.yaml'}"
    assert config_file.saved(empty) == ["my-recommended"]
    press(app, "Load Preset")
    assert field(app, "text_input", "Name").value == "my-recommended-2"


def test_an_edit_outlives_the_page_and_reset_undoes_it(empty):
    app = draw("Configuration")
    field(app, "number_input", "Learning rate").set_value(0.00125).run()
    assert any("Unsaved changes" in text.value and "Learning rate" in text.value for text in app.markdown)
    later = draw("Configuration")
    assert field(later, "number_input", "Learning rate").value == 0.00125
    press(later, "Reset")
    assert field(later, "number_input", "Learning rate").value == Config().optimizer.learning_rate
    assert any("No changes" in text.value for text in later.markdown)


def test_validation_tells_all_problems_at_once_and_saves_nothing(empty):
    app = draw("Configuration")
    field(app, "number_input", "Epochs").set_value(0)
    field(app, "number_input", "Window (s)").set_value(9.0)
    press(app, "Validate Configuration")
    (told,) = app.error
    assert "Epochs (training.epochs): must be at least 1; 0 given." in told.value
    assert "Window (data.window_seconds): must be at most 5.0; 9.0 given." in told.value
    assert "Not saved" in press(app, "Save Configuration").error[0].value
    assert config_file.saved(empty) == []


def test_a_valid_configuration_comes_with_an_estimate(empty):
    app = press(draw("Configuration"), "Validate Configuration")
    assert app.success[0].value.startswith("Configuration is valid.")
    assert "estimate" in app.success[0].value


def test_another_configuration_is_replaced_only_on_purpose(empty):
    config_file.save(empty, "mine", Config())
    before = (empty.configs / "mine.yaml").read_bytes()
    app = draw("Configuration")
    field(app, "text_input", "Name").set_value("mine")
    field(app, "number_input", "Epochs").set_value(3)
    press(app, "Save Configuration")
    assert "“mine” already" in app.error[0].value
    assert (empty.configs / "mine.yaml").read_bytes() == before
    app.checkbox(key="replace").check()
    press(app, "Save Configuration")
    assert config_file.load(empty.configs / "mine.yaml").training.epochs == 3


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_a_name_that_is_no_file_name_is_refused(empty, name):
    app = draw("Configuration")
    field(app, "text_input", "Name").set_value(name)
    assert "cannot be a name" in press(app, "Save Configuration").error[0].value
    assert not list(empty.root.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("training: {epoch: 3}", "did you mean epochs?"),
        ("training: {epochs: many}", "must be a whole number"),
        ("training: {epochs: -1}\nloss: {positive_weight: 1e9}", "It has 2 problems"),
        ("training: [", "line 1"),
    ],
)
def test_a_file_edited_by_hand_is_refused_with_a_sentence(empty, text, told):
    empty.configs.mkdir()
    (empty.configs / "hand.yaml").write_text(text)
    app = press(draw("Configuration"), "Load")
    assert told in app.error[0].value
    assert field(app, "number_input", "Epochs").value == Config().training.epochs


def test_a_damaged_draft_is_no_obstacle(empty):
    empty.configs.mkdir()
    values = {"training.epochs": "many", "optimizer.learning_rate": True, "model.name": "x", "loss.gone": 3}
    durable.replace_json(empty.configs / ".draft.json", {"kind": "preset", "name": "gone", "values": values})
    app = draw("Configuration")
    assert field(app, "number_input", "Epochs").value == Config().training.epochs
    assert any("cannot be read any more" in text.value for text in app.markdown)
    (empty.configs / ".draft.json").write_text("{")
    draw("Configuration")
