"""The Runs page as a user meets it: the table, one run, several compared."""

import pytest

from pages.ui.runs import run_columns
from tests.pages.tools import charts, checked, draw, field, links, press, texts
from tests.run_folders import end, make_run
from trainer.catalog import notes, trash
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace


def configure(run: Run, **training: object) -> None:
    document = Config().model_dump()
    document["training"] |= training
    durable.replace_bytes(run.config_file, config_file.dump(config_file.build(document)))


@pytest.fixture
def three(empty: Workspace) -> list[Run]:
    """Completed runs whose seeds differ."""
    found = []
    for number, label in enumerate(("kitchen", "hall", "street"), 1):
        run = make_run(empty, number, label, epochs=2 * number)
        end(run, "completed", "All epochs are done.")
        configure(run, seed=number)
        found.append(run)
    return found


def shown(app) -> list[str]:
    return app.dataframe[0].value["Name"].tolist()


def search(app, text: str):
    return checked(field(app, "text_input", "Search").set_value(text).run())


def open_run(run: Run, section: str = ""):
    return draw("Runs", run.id, section)


def compare(found: list[Run], section: str = ""):
    return draw("Runs", compare=",".join(run.id for run in found), comparison=section)


def test_a_search_leaves_what_matches_and_a_wrong_one_is_a_sentence(three):
    app = draw("Runs")
    assert shown(app) == ["street", "hall", "kitchen"]
    assert shown(search(app, "training.seed=2")) == ["hall"]
    assert shown(search(app, "-hall")) == ["street", "kitchen"]
    wrong = search(app, "val_los<0.2")
    assert "did you mean val" in wrong.error[0].value and len(shown(wrong)) == 3
    none = search(app, "nowhere")
    assert not none.dataframe and "No run matches" in none.info[0].value


def test_archived_runs_are_listed_only_when_asked_for_and_sorting_follows(three):
    notes.change(three[0], archived=True)
    notes.change(three[1], starred=True)
    app = draw("Runs")
    assert shown(app) == ["street", "★ hall"]
    app = checked(field(app, "toggle", "Archived").set_value(True).run())
    app = checked(field(app, "selectbox", "Sort by").set_value("Val loss").run())
    assert shown(app) == ["street", "★ hall", "kitchen"]
    assert shown(checked(field(app, "toggle", "Reverse").set_value(True).run()))[0] == "kitchen"


def test_chosen_columns_are_kept_in_their_order(three, empty):
    app = draw("Runs")
    checked(field(app, "multiselect", "Columns").set_value(["F1", "Name"]).run())
    assert run_columns.chosen(empty) == ["F1", "Name"]
    again = draw("Runs")
    assert again.dataframe[0].value.columns.tolist() == ["F1", "Name"]
    press(again, "Default columns")
    assert run_columns.chosen(empty) == list(run_columns.SHOWN)


def test_the_state_in_the_address_leaves_its_runs(three):
    end(three[1], "failed", "A clip is missing.")
    app = draw("Runs", state=["Failed", "Lost"])
    assert shown(app) == ["hall"]
    app = checked(field(app, "multiselect", "State").set_value([]).run())
    assert shown(app) == ["street", "hall", "kitchen"]


def test_damaged_and_foreign_folders_are_rows_that_say_what_they_are(three, empty):
    three[2].request_file.write_text("{")
    (empty.runs / "20260101-110000-00aa").mkdir()
    (empty.runs / "holiday pictures").mkdir()
    table = draw("Runs").dataframe[0].value.set_index("Name")
    assert "request.json is damaged" in table.loc["20260101-120000-0003", "Problem"]
    assert "request.json is missing" in table.loc["20260101-110000-00aa", "Problem"]
    assert table.loc["holiday pictures", "State"] == "Foreign"
    for run in ("holiday pictures", "<b>none"):
        draw("Runs", run)
    for section in ("Facts", "Configuration", "Charts", "Log", "Checkpoints", "Evaluations", "Files"):
        draw("Runs", "20260101-110000-00aa", section)


def test_a_run_is_named_tagged_and_noted(three):
    app = open_run(three[0])
    field(app, "text_input", "Name").set_value("pantry")
    field(app, "multiselect", "Tags").set_value(["night"])
    field(app, "text_area", "Note").set_value("*quiet*")
    app = press(app, "Save")
    found = notes.read(three[0])
    assert (found.name, found.tags, found.note) == ("pantry", ("night",), "*quiet*")
    assert app.header[0].value == "pantry" and any("\\*quiet\\*" in each.value for each in app.caption)
    press(app, "Star")
    assert notes.read(three[0]).starred and notes.read(three[0]).name == "pantry"


def test_a_run_goes_to_the_trash_and_comes_back(three, empty):
    app = press(open_run(three[0]), "Move to Trash")
    assert [run.id for run in trash.all_of(empty)] == [three[0].id]
    assert any("is in the trash" in text for text in texts(app))
    press(app, "Restore")
    assert not trash.all_of(empty) and three[0].folder.is_dir()


def test_the_log_is_searched_in_full(three):
    lines = [f"[23:45:18] Epoch {epoch}/5000 - Loss: 0.5" for epoch in range(1, 5001)]
    three[0].log_file.write_text("\n".join([lines[0], "ValueError: <b>odd</b>", *lines[1:]]) + "\n")
    app = open_run(three[0], "Log")
    assert "5,001 lines; the last 1,000 are shown" in app.caption[-1].value
    app = checked(field(app, "text_input", "Search the log").set_value("valueerror ODD").run())
    assert app.code[0].value.split(maxsplit=1) == ["2", "ValueError: <b>odd</b>"]


def test_a_configuration_is_laid_beside_another_run(three):
    app = open_run(three[0], "Configuration")
    assert app.dataframe[0].value["Name in files"].tolist() == ["training.seed"]
    app = checked(field(app, "selectbox", "Compare with").set_value(three[2].id).run())
    assert app.dataframe[0].value.iloc[0, 2:].tolist() == ["1", "3"]


@pytest.mark.parametrize("section", ["", "Log"])
@pytest.mark.parametrize("label", ["Clone and Edit", "Fine-tune"])
def test_a_run_is_cloned_and_fine_tuned_in_the_configuration_page(three, empty, label, section):
    press(open_run(three[1], section), label)
    draft = durable.read_json(next(empty.drafts.glob("*.json")))
    assert draft["kind"] == "run" and draft["values"]["training.seed"] == 2
    assert draft["values"]["training.start_from"] == ("" if label == "Clone and Edit" else three[1].id)


def test_a_checkpoint_is_fine_tuned_in_the_configuration_page(three, empty):
    run = three[1]
    run.checkpoints.mkdir()
    for epoch in (1, 2):
        durable.replace_json(run.checkpoints / f"epoch-0000{epoch}.pt.json", {})
    app = open_run(run, "Checkpoints")
    field(app, "selectbox", "Checkpoint").set_value("epoch-00001.pt")
    press(app, "Fine-tune from this checkpoint")
    draft = durable.read_json(next(empty.drafts.glob("*.json")))
    assert draft["values"]["training.start_from"] == f"{run.id}/epoch-00001"


def test_runs_are_compared(three):
    assert charts(compare(three)) == 2
    options = compare(three, "Options").dataframe[0].value
    assert options["Name in files"].tolist() == ["training.seed"]
    assert options.iloc[0].tolist()[2:] == ["1", "2", "3"]
    app = compare(three, "Results")
    assert "Best by Val loss: **street**" in app.success[0].value
    assert app.dataframe[0].value["Run"].tolist() == ["street", "hall", "kitchen"] and charts(app) == 1
    assert "use the same streams" in compare(three, "Same false accepts").info[0].value


def test_a_run_that_is_not_there_is_told_in_a_comparison(three):
    app = compare([three[0], Run(three[0].folder.parent / "20200101-000000-0000")])
    assert "20200101" in app.warning[0].value and "two or more" in app.info[0].value


def test_an_empty_page_leads_to_the_training(empty):
    assert links(draw("Runs")) == ["Go to Training"]


def test_what_is_noted_elsewhere_while_the_form_is_open_stays(three):
    run = three[0]
    notes.change(run, add=["old", "wrong"])
    app = open_run(run)
    notes.change(run, add=["night"], note="noted elsewhere")
    field(app, "text_input", "Name").set_value("mine")
    field(app, "multiselect", "Tags").set_value(["old", "new"])
    app = press(app, "Save")
    found = notes.read(run)
    assert (found.name, found.note, set(found.tags)) == ("mine", "noted elsewhere", {"old", "night", "new"})
    notes.change(run, name="theirs")
    assert field(checked(app.run()), "text_input", "Name").value == "theirs"
