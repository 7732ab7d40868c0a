"""The Configuration page as a user meets it."""

import pytest

from tests.pages.tools import NO_SPLITS, checked, draw, field, links, press, texts, write_job
from tests.run_folders import end, make_run
from trainer.audio import manifest
from trainer.config import config_file, saved_configs
from trainer.config.option_list import options
from trainer.config.schema import Config
from trainer.estimates import requirements
from trainer.run import launch, probe, runs
from trainer.system import durable, limits

EPOCHS = Config().training.epochs


def said(app, words: str) -> bool:
    return any(words in element.value for element in [*app.markdown, *app.caption])


def edit(app, kind: str, label: str, value):
    field(app, kind, label).set_value(value).run()
    return app


def saved_epochs(workspace, name: str) -> int:
    return config_file.load(workspace.configs / f"{name}.yaml").training.epochs


def test_the_form_shows_every_option_and_saves(empty):
    app = draw("Configuration")
    kinds = ("number_input", "selectbox", "checkbox")
    shown = {widget.key for kind in kinds for widget in getattr(app, kind)}
    assert {f"option.0.{option.key}" for option in options()} <= shown
    press(app, "Save Configuration")
    assert app.success[0].value == f"Saved to {empty.configs / 'my-recommended.yaml'}"
    assert saved_configs.names(empty) == ["my-recommended"]
    press(app, "Load Preset")
    assert field(app, "text_input", "Name").value == "my-recommended-2"


def test_an_edit_outlives_the_page_and_reset_undoes_it(empty):
    app = edit(draw("Configuration"), "number_input", "Learning rate", 0.00125)
    assert said(app, "Unsaved changes") and said(app, "Learning rate")
    app.switch_page("pages/3_Training.py").run()
    app.switch_page("pages/2_Configuration.py").run()
    assert field(app, "number_input", "Learning rate").value == 0.00125 and said(app, "Unsaved changes")
    later = draw("Configuration")
    assert field(later, "number_input", "Learning rate").value == 0.00125
    press(later, "Reset")
    assert field(later, "number_input", "Learning rate").value == Config().optimizer.learning_rate
    assert said(later, "No changes")


def test_what_differs_from_the_preset_is_marked_with_its_value(empty):
    app = draw("Configuration")
    assert not said(app, ":blue[●]")
    edit(app, "number_input", "Epochs", 50)
    assert said(app, ":blue[●] recommended: 40")
    press(app, "Save Configuration")
    assert said(app, ":blue[●] recommended: 40"), "a saved one still knows its preset"
    app.toggle(key="option_changed").set_value(True).run()
    assert [widget.label for widget in app.number_input] == ["Training: Epochs"]


def test_problems_stand_beside_their_fields_all_at_once(empty):
    app = draw("Configuration")
    field(app, "number_input", "Epochs").set_value(0)
    field(app, "number_input", "Window (s)").set_value(9.0)
    edit(app, "number_input", "Background: lowest SNR (dB)", 30.0)
    assert said(app, ":red[Must be at least 1; 0 given.]")
    assert said(app, ":red[Must be at most 5.0; 9.0 given.]")
    press(app, "Validate Configuration")
    (told,) = app.error
    assert "Epochs (training.epochs): must be at least 1; 0 given." in told.value
    assert "Window (data.window_seconds): must be at most 5.0; 9.0 given." in told.value
    assert "Not saved" in press(app, "Save Configuration").error[0].value
    assert saved_configs.names(empty) == []


def test_a_broken_rule_and_a_warning_stand_beside_the_option_they_name(empty):
    app = edit(draw("Configuration"), "number_input", "Background: lowest SNR (dB)", 30.0)
    assert said(app, "is above the highest")
    edit(app, "number_input", "Background: lowest SNR (dB)", 0.0)
    edit(app, "number_input", "Early stopping (epochs)", 100)
    assert said(app, ":orange[100 epochs without a better model")
    app = press(app, "Validate Configuration")
    assert app.success and app.warning[0].value.startswith("Early stopping (training.patience)")


def test_a_valid_configuration_comes_with_estimates(empty):
    app = draw("Configuration")
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Parameters"] == f"{requirements.estimate(config_file.preset('recommended')).parameters:,}"
    press(app, "Validate Configuration")
    assert app.success[0].value.startswith("Configuration is valid.")
    assert "estimate" in app.success[0].value and "atch size" in app.success[0].value


def test_search_finds_options_by_what_is_known_of_them(empty):
    app = draw("Configuration")
    app.text_input(key="option_search").set_value("noise loud").run()
    labels = [widget.label for widget in app.number_input]
    assert "Augmentation: Background: lowest SNR (dB)" in labels and len(labels) < 6
    edit(app, "number_input", "Augmentation: Background: lowest SNR (dB)", -5.0)
    app.text_input(key="option_search").set_value("zebra").run()
    assert "No option matches “zebra”" in app.info[0].value
    app.text_input(key="option_search").set_value("").run()
    assert field(app, "number_input", "Background: lowest SNR (dB)").value == -5.0, "what is not shown is kept"


def test_another_configuration_is_replaced_only_on_purpose(empty):
    saved_configs.save(empty, "mine", Config())
    before = (empty.configs / "mine.yaml").read_bytes()
    app = draw("Configuration")
    field(app, "text_input", "Name").set_value("mine")
    field(app, "number_input", "Epochs").set_value(3)
    press(app, "Save Configuration")
    assert "“mine” already" in app.error[0].value
    assert (empty.configs / "mine.yaml").read_bytes() == before
    app.checkbox(key="replace.mine").check()
    press(app, "Save Configuration")
    assert saved_epochs(empty, "mine") == 3


def test_a_tick_to_replace_one_configuration_replaces_no_other(empty):
    for name in ("mine", "other"):
        saved_configs.save(empty, name, Config())
    app = edit(draw("Configuration"), "number_input", "Epochs", 3)
    edit(app, "text_input", "Name", "mine")
    app.checkbox(key="replace.mine").check().run()
    field(app, "text_input", "Name").set_value("other")
    assert "“other” already" in press(app, "Save Configuration").error[0].value
    assert saved_epochs(empty, "other") == EPOCHS
    press(app, "Load Preset")
    edit(app, "text_input", "Name", "fresh")
    assert not [box for box in app.checkbox if box.label == "Replace existing file"]


def test_what_another_tab_saves_right_after_is_not_taken_for_ones_own(empty, monkeypatch):
    app = edit(draw("Configuration"), "number_input", "Epochs", 3)
    edit(app, "text_input", "Name", "mine")
    save = saved_configs.save

    def and_another_tab_does(*arguments):
        path = save(*arguments)
        save(empty, "mine", Config())
        return path

    with monkeypatch.context() as patched:
        patched.setattr(saved_configs, "save", and_another_tab_does)
        press(app, "Save Configuration")
    edit(app, "number_input", "Epochs", 4)
    assert "has changed since" in press(app, "Save Configuration").error[0].value
    assert saved_epochs(empty, "mine") == EPOCHS


def test_a_link_to_nothing_among_the_configurations_is_no_obstacle(empty):
    empty.configs.mkdir()
    (empty.configs / "gone.yaml").symlink_to(empty.root / "nowhere.yaml")
    assert saved_configs.names(empty) == [] and field(draw("Configuration"), "text_input", "Name").value


def test_the_second_of_two_tabs_is_told_instead_of_overwriting(empty):
    saved_configs.save(empty, "mine", Config())
    tabs = [press(draw("Configuration"), "Load") for _ in range(2)]
    for epochs, tab in enumerate(tabs, 5):
        edit(tab, "number_input", "Epochs", epochs)
        press(tab, "Save Configuration")
    assert tabs[0].success and "has changed since it was opened here" in tabs[1].error[0].value
    assert saved_epochs(empty, "mine") == 5
    assert field(tabs[1], "number_input", "Epochs").value == 6, "the edits of the second tab are kept"
    edit(tabs[0], "number_input", "Epochs", 7)
    assert field(tabs[1].run(), "number_input", "Epochs").value == 6
    tabs[1].checkbox(key="replace.mine").check()
    press(tabs[1], "Save Configuration")
    assert saved_epochs(empty, "mine") == 6


def test_a_tab_opened_at_another_tabs_address_goes_on_in_a_file_of_its_own(empty):
    first = edit(draw("Configuration"), "number_input", "Epochs", 5)
    second = draw("Configuration")
    second.query_params["draft"] = first.query_params["draft"]
    del second.session_state["opened_draft"]
    edit(second.run(), "number_input", "Epochs", 6)
    edit(first, "number_input", "Epochs", 7)
    assert len(list(empty.drafts.glob("*.json"))) == 2
    assert first.query_params["draft"] != second.query_params["draft"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_a_name_that_is_no_file_name_is_refused(empty, name):
    app = draw("Configuration")
    field(app, "text_input", "Name").set_value(name)
    assert "is not a valid name" in press(app, "Save Configuration").error[0].value
    assert not list(empty.root.rglob("*.yaml"))


BAD = [
    ("training: {epoch: 3}", "did you mean epochs?"),
    ("training: {epochs: many}", "must be a whole number"),
    ("training: {epochs: -1}\nloss: {positive_weight: 1e9}", "It has 2 problems"),
    ("training: [", "line 1"),
    ("a: &x 1\nb: *x", "aliases"),
    ("x: !!python/object/apply:os.system ['true']", "tags"),
]


@pytest.mark.parametrize(("text", "told"), BAD)
def test_a_file_edited_by_hand_is_refused_with_a_sentence(empty, text, told):
    empty.configs.mkdir()
    (empty.configs / "hand.yaml").write_text(text)
    app = press(draw("Configuration"), "Load")
    assert told in app.error[0].value
    assert field(app, "number_input", "Epochs").value == EPOCHS


@pytest.mark.parametrize(("text", "told"), BAD)
def test_pasted_and_uploaded_yaml_is_refused_with_a_sentence(empty, text, told):
    app = draw("Configuration")
    app.text_area(key="pasted").set_value(text)
    assert told in press(app, "Load YAML").error[0].value
    app.file_uploader(key="uploaded").upload("bad.yaml", text.encode()).run()
    assert told in app.error[0].value and "bad.yaml" in app.error[0].value
    assert field(app, "number_input", "Epochs").value == EPOCHS


def test_pasted_yaml_fills_the_form_and_names_its_preset(empty):
    app = draw("Configuration")
    assert "is empty" in press(app, "Load YAML").warning[0].value
    app.text_area(key="pasted").set_value("preset: quick\noptimizer: {learning_rate: 1e-3}")
    press(app, "Load YAML")
    assert field(app, "number_input", "Learning rate").value == 0.001
    assert field(app, "number_input", "Epochs").value == 20
    assert said(app, "Loaded: file “pasted text”") and said(app, ":blue[●] quick: 0")
    edit(app, "number_input", "Epochs", 21)
    press(app, "Reset")
    assert field(app, "number_input", "Epochs").value == 20


def test_what_is_downloaded_is_what_the_form_holds(empty):
    app = edit(draw("Configuration"), "number_input", "Epochs", 33)
    (shown,) = [code.value for code in app.code]
    assert config_file.parse(shown.encode()).training.epochs == 33
    assert "# Epochs (1 to 10,000; default 40)." in shown
    assert app.get("download_button")


def test_a_runs_configuration_can_be_loaded_back(empty):
    run = make_run(empty)
    config = config_file.build({"preset": "quick", "training": {"epochs": 8}})
    run.config_file.write_bytes(config_file.dump(config))
    app = press(draw("Configuration"), "Load from Run")
    assert field(app, "number_input", "Epochs").value == 8
    assert said(app, f"Loaded: configuration of run “{run.id}”") and said(app, ":blue[●] quick: 20")
    run.config_file.unlink()
    app = press(app, "Load from Run")
    assert "cannot be loaded" in app.error[0].value


def test_the_difference_of_any_two(empty):
    saved_configs.save(empty, "mine", config_file.build({"preset": "quick", "training": {"epochs": 9}}))
    app = edit(draw("Configuration"), "number_input", "Epochs", 0)
    table = app.dataframe[0].value
    assert table.values.tolist() == [["Epochs", "training.epochs", "40", "0"]]
    field(app, "selectbox", "Compare").set_value("preset quick")
    field(app, "selectbox", "with").set_value("saved mine").run()
    assert app.dataframe[0].value.values.tolist() == [["Epochs", "training.epochs", "20", "9"]]
    field(app, "selectbox", "with").set_value("preset quick").run()
    assert "No differences" in app.success[0].value


def test_rename_duplicate_delete_and_restore(empty):
    saved_configs.save(empty, "mine", Config())
    app = press(draw("Configuration"), "Load")
    field(app, "text_input", "New name").set_value("yours")
    assert "Renamed" in press(app, "Rename").success[0].value
    assert saved_configs.names(empty) == ["yours"] and said(app, "Loaded: saved configuration “yours”")
    field(app, "text_input", "New name").set_value("")
    press(app, "Duplicate")
    assert sorted(saved_configs.names(empty)) == ["yours", "yours-2"]
    field(app, "selectbox", "Configuration file").set_value("yours-2")
    assert "trash" in press(app, "Delete").success[0].value
    assert saved_configs.names(empty) == ["yours"] and len(saved_configs.trash(empty)) == 1
    assert "yours-2" in press(app, "Restore").success[0].value
    field(app, "text_input", "New name").set_value("yours")
    assert "already" in press(app, "Duplicate").error[0].value


def test_going_on_from_a_run_that_is_not_there_is_told_beside_the_field(empty):
    app = draw("Configuration")
    field(app, "selectbox", "Preset").set_value("fine_tune").run()
    press(app, "Load Preset")
    assert said(app, ":red[`latest`".replace("`", "\\`")), [m.value for m in app.markdown]
    assert "training.start" in press(app, "Validate Configuration").error[0].value


def test_a_damaged_draft_is_no_obstacle(empty):
    app = edit(draw("Configuration"), "number_input", "Epochs", 5)
    (kept,) = empty.drafts.glob("*.json")
    for text in ('{"kind": "gone"}', "{", kept.read_text().replace(": 5", ': "many"')):
        kept.write_text(text)
        assert field(draw("Configuration"), "number_input", "Epochs").value == EPOCHS
    assert field(app.run(), "number_input", "Epochs").value == 5
    assert texts(app) == []


def test_what_became_of_the_file_is_told(empty):
    saved_configs.save(empty, "mine", Config())
    app = press(draw("Configuration"), "Load")
    assert said(app, "No unsaved changes")
    saved_configs.save(empty, "mine", config_file.build({"training": {"epochs": 3}}))
    app.run()
    assert said(app, "has changed since") and not said(app, "No unsaved changes")
    assert field(press(app, "Reset"), "number_input", "Epochs").value == 3
    press(app, "Delete")
    assert said(app, "Its file is gone") and not said(app, "No unsaved changes")
    press(app, "Save Configuration")
    assert saved_epochs(empty, "mine") == 3 and said(app, "No unsaved changes")


def test_of_thousands_of_problems_a_few_are_told(empty):
    app = draw("Configuration")
    app.text_area(key="pasted").set_value("\n".join(f"k{number}: 1" for number in range(1000)))
    (told,) = press(app, "Load YAML").error
    assert "It has 1,000 problems" in told.value and told.value.endswith("and 960 more")


def test_validate_tells_the_memory_on_either_device(empty, monkeypatch):
    monkeypatch.setattr(requirements, "memory_bytes", lambda config: 1_500_000_000)
    monkeypatch.setattr(requirements, "gpu_memory_bytes", lambda config: 3_200_000_000)
    told = press(draw("Configuration"), "Validate Configuration").success[0].value
    assert "about 1.5 GB on the CPU or 3.2 GB on a GPU (estimates)" in told


def test_the_limits_of_a_container_are_told_as_such(empty, monkeypatch):
    monkeypatch.setattr(limits, "read", lambda: limits.Limits(2 * 10**9, 10**9, 0.5))
    app = draw("Configuration")
    core = "1 core (limit of its container)" if limits.threads() else "1 core"
    assert said(app, f"This machine: {core}, 1.0 GB of 2.0 GB (limit of its container) memory free")


def test_a_measurement_that_failed_is_told_of_the_configuration_that_it_was_of(empty):
    app = draw("Configuration")
    write_job(empty, "probe", state="failed", message="The clips are gone.")
    (empty.jobs / "probe.yaml").write_bytes(config_file.dump(config_file.preset("recommended")))
    assert texts(app.run()).count("The time could not be measured: The clips are gone.") == 1
    edit(app, "number_input", "Epochs", 3)
    assert not any("could not be measured" in text for text in texts(app))
    write_job(empty, "probe", doing="Measuring")
    assert said(app.run(), "The form has changed since")
    edit(app, "number_input", "Epochs", EPOCHS)
    assert not said(app, "The form has changed since")


def test_unsaved_changes_that_something_else_was_loaded_over_come_back(empty):
    app = edit(draw("Configuration"), "number_input", "Epochs", 3)
    press(press(app, "Load Preset"), "Load Preset")
    assert field(app, "number_input", "Epochs").value == EPOCHS
    assert said(app, "The last load discarded unsaved changes: Epochs.")
    press(app, "Restore changes")
    assert field(app, "number_input", "Epochs").value == 3 and said(app, "**Unsaved changes**: Epochs.")
    press(press(app, "Reset"), "Save Configuration")
    assert not said(app, "discarded unsaved changes") and saved_epochs(empty, "my-recommended") == EPOCHS


def card(app, name: str, button: str):
    return app.button(key=f"{button}_{name}")


def test_every_preset_has_a_card_with_what_a_training_takes(empty):
    app = draw("Configuration")
    for name in config_file.presets():
        title, _, purpose = config_file.situation(name).partition(": ")
        assert said(app, f"**{title}**") and said(app, purpose[1:])
        needs = requirements.estimate(config_file.preset(name))
        assert said(app, f"{needs.disk_bytes / 1e6:,.0f} MB on disk · {needs.parameters:,} parameters")
        assert card(app, name, "train").label == "Train now"
    assert card(app, "fine_tune", "train").disabled, "there is no earlier run"
    assert said(app, ":blue-badge[loaded]")


def test_a_card_says_how_long_a_training_took_or_takes(workspace):
    config = config_file.preset("quick")
    app = draw("Configuration")
    assert card(app, "quick", "estimate").label == "Estimate time"
    assert said(app, " on two cores, estimated · ") and not said(app, " here, estimated"), "nothing was trained here"
    run = make_run(workspace, device="CPU, 2 threads", times={"batch": 0.05, "batches": 40})
    run.config_file.write_bytes(config_file.dump(config))
    request = durable.read_json(run.request_file)
    durable.replace_json(run.request_file, request | {"split_fingerprint": manifest.fingerprint(workspace)})
    app = draw("Configuration")
    assert not said(app, "Took"), "it has not ended"
    assert said(app, " here, estimated · ") and not said(app, "on two cores")
    end(run, "completed", "All epochs are done.")
    app = draw("Configuration")
    assert said(app, "Took 00:02:10 here · ") and not said(app, "Trained already")
    durable.replace_json(
        run.request_file, durable.read_json(run.request_file) | {"versions": launch.package_versions()}
    )
    assert said(draw("Configuration"), "Trained already on these clips: another run ends with the same model.")
    measured = probe.Measured(
        prepare_seconds=1, first_batch_seconds=1, batch_seconds=1, batches=1, validation_seconds=1,
        checkpoint_seconds=1, mining_seconds=0, stream_seconds=0, epoch_seconds=4, total_seconds=81, epochs=20,
        device="CPU", peak_memory_bytes=1, gpu_memory_bytes=None, config=probe.digest(config),
        split_fingerprint=manifest.fingerprint(workspace),
    )  # fmt: skip
    kept = probe.kept_file(workspace, measured.config)
    kept.parent.mkdir(parents=True)
    durable.replace_json(kept, measured.model_dump())
    assert said(draw("Configuration"), "At most 00:01:21 here · ")


def test_train_now_starts_the_preset_and_leads_to_its_run(workspace, no_processes):
    app = edit(draw("Configuration"), "number_input", "Epochs", 3)
    checked(card(app, "quick", "train").click().run())
    (run,) = runs.all_runs(workspace)
    assert config_file.load(run.config_file) == config_file.preset("quick") and len(no_processes) == 1
    assert app.title[0].value == "Training" and app.query_params["run"] == run.id


def test_train_now_says_what_is_missing_and_where_to_go(empty, no_processes):
    app = draw("Configuration")
    checked(card(app, "recommended", "train").click().run())
    assert [text.value for text in app.error] == [NO_SPLITS] and links(app) == ["Go to Dataset"]
    assert not no_processes and not runs.all_runs(empty)


def test_choosing_a_preset_loads_it_and_can_be_undone(empty):
    saved_configs.save(empty, "mine", config_file.build({"training": {"epochs": 7}}))
    app = press(draw("Configuration"), "Load")
    checked(card(app, "quick", "choose").click().run())
    assert said(app, "Loaded: preset “quick”. No changes.") and said(app, "Before: saved configuration “mine”.")
    press(app, "Undo")
    assert said(app, "Loaded: saved configuration “mine”.") and field(app, "number_input", "Epochs").value == 7
    field(app, "selectbox", "Preset").set_value("log_mel").run()
    assert said(app, "Loaded: preset “log_mel”.") and said(app, "Before: saved configuration “mine”.")
    edit(app, "number_input", "Epochs", 8)
    assert not said(app, "Before: "), "an edit ends the offer"
