"""The difference of two configurations, in the library and on the command line."""

from tests.cli.test_command_line import answer, refused
from trainer.config import config_file, option_list, saved_configs
from trainer.config.schema import Config
from trainer.system.workspace import Workspace


def test_only_differing_options_are_listed():
    one, other = option_list.values(Config()), option_list.values(config_file.preset("quick"))
    assert {key: (one[key], other[key]) for key in option_list.differing([one, other])} == {
        "data.epoch_windows": (0, 4000),
        "model.width": (1.0, 1.5),
        "training.epochs": (40, 20),
        "training.patience": (15, 0),
    }
    assert option_list.differing([one, one]) == []


def test_the_command_line_lists_presets_and_differences(tmp_path):
    workspace = Workspace(tmp_path)
    assert [row["name"] for row in answer(workspace, "presets")] == config_file.presets()
    saved_configs.save(workspace, "mine", config_file.build({"preset": "quick", "training": {"epochs": 9}}))
    assert answer(workspace, "difference", "quick", "mine") == [{"option": "training.epochs", "first": 20, "second": 9}]
    assert "There is no configuration 'gone'" in refused(workspace, "difference", "quick", "gone")
