"""The Configuration page in a real browser: preset, edit, invalid value, mend, validate, save, leave, return, reset."""

import re

from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.widgets import (
    EPOCHS,
    button,
    choose,
    click,
    customize,
    metric,
    no_traceback,
    open_tab,
    press,
    settled,
    shows,
    type_in,
    wait_for_metric,
)
from tests.run_folders import end_all
from tests.tiny import make_workspace
from trainer.config import config_file
from trainer.run import runs
from trainer.system.workspace import Workspace

UNSAVED = re.compile(r"Unsaved changes")  # not “No unsaved changes.”


def test_a_configuration_from_preset_to_file_and_back(page: Page, tmp_path):
    workspace = Workspace(tmp_path)
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Configuration")
        customize(page)
        choose(page, "Preset", "tiny_device")
        press(page, "Load Preset")
        shows(page, "Loaded: preset “tiny_device”. No changes.")
        size = wait_for_metric(page, "Parameters", r"1\d,\d{3}")
        type_in(page, "spinbutton", EPOCHS, "0")
        shows(page, "Must be at least 1; 0 given.", exact=True)
        press(page, "Save Configuration")
        shows(page, "Not saved: the configuration is not valid")
        type_in(page, "spinbutton", EPOCHS, "45")
        type_in(page, "spinbutton", "Width", "0.75")
        shows(page, "● tiny_device: 60")
        press(page, "Validate Configuration")
        shows(page, "Configuration is valid")
        assert metric(page, "Parameters") != size, "sizes follow the form"
        type_in(page, "textbox", "Name", "small")
        press(page, "Save Configuration")
        shows(page, re.compile(r"^Saved to .*small\.yaml"))
        type_in(page, "spinbutton", EPOCHS, "46")
        shows(page, UNSAVED)
        click(page, page.get_by_role("link", name="Runs").first)
        shows(page, "No runs yet")
        click(page, page.get_by_role("link", name="Configuration").first)
        customize(page)
        expect(page.get_by_role("spinbutton", name=EPOCHS)).to_have_value("46")
        page.reload()
        expect(page.get_by_role("spinbutton", name=EPOCHS)).to_have_value("46")
        shows(page, UNSAVED)
        open_tab(page, "Difference")
        expect(page.get_by_test_id("stDataFrame").last).to_be_visible()
        press(page, "Reset")
        shows(page, "No unsaved changes.")
        press(page, "Validate Configuration")
        shows(page, "Configuration is valid")
        expect(page.get_by_role("tab", name="Difference")).to_have_attribute("aria-selected", "true")
        open_tab(page, "Options")
        expect(page.get_by_role("spinbutton", name=EPOCHS)).to_have_value("45")
        shows(page, "No unsaved changes.")
        no_traceback(page)
    assert config_file.load(workspace.configs / "small.yaml").training.epochs == 45


PRESS_BOTH = """([reset, validate]) => {
  const press = () => document.body.innerText.includes("No changes.") ? validate.click() : requestAnimationFrame(press);
  reset.click();
  press();
}"""


def test_a_click_while_reset_is_drawn_finds_the_fields_reset(page: Page, tmp_path):
    with server.running(Workspace(tmp_path), page.context) as app:
        page.goto(f"{app.address}/Configuration")
        customize(page)
        type_in(page, "spinbutton", EPOCHS, "46")
        shows(page, UNSAVED)
        buttons = [button(page, name).element_handle() for name in ("Reset", "Validate Configuration")]
        page.evaluate(PRESS_BOTH, buttons)  # what is above the fields says so before the fields are drawn
        shows(page, "Configuration is valid")
        settled(page)
        expect(page.get_by_role("spinbutton", name=EPOCHS)).to_have_value("40")
        shows(page, "No changes.")


def test_yaml_goes_out_and_comes_in(page: Page, tmp_path):
    with server.running(Workspace(tmp_path), page.context) as app:
        page.goto(f"{app.address}/Configuration")
        customize(page)
        open_tab(page, "YAML")
        with page.expect_download() as waiting:
            press(page, "Download YAML")
        text = waiting.value.path().read_text()
        assert config_file.parse(text.encode()) == config_file.preset("recommended")
        edited = tmp_path / "edited.yaml"
        edited.write_text(text.replace("epochs: 40", "epochs: 41"))
        page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(edited)
        shows(page, "Loaded: file “edited”. No changes.")
        settled(page)
        misspelt = tmp_path / "misspelt.yaml"
        misspelt.write_text(text.replace("epochs: 40", "epoch: 41"))
        page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(misspelt)
        shows(page, "did you mean epochs?")
        no_traceback(page)


def test_the_time_is_measured_on_request(page: Page, tmp_path):
    workspace = make_workspace(tmp_path)
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Configuration")
        customize(page)
        wait_for_metric(page, "Total time", "–")
        press(page, "Measure time")
        wait_for_metric(page, "Total time", r"\d\d:\d\d:\d\d")
        type_in(page, "spinbutton", EPOCHS, "41")
        wait_for_metric(page, "Total time", "–")
        shows(page, "The last measurement used another configuration")
        no_traceback(page)
    assert not workspace.runs.exists() or not list(workspace.runs.glob("2*")), "no run is made"


def test_a_card_trains_and_leads_to_the_run(page: Page, tmp_path):
    workspace = make_workspace(tmp_path)
    with server.running(workspace, page.context) as app:
        page.set_viewport_size({"width": 1400, "height": 900})
        page.goto(f"{app.address}/Configuration")
        expect(page.get_by_role("spinbutton", name=EPOCHS)).not_to_be_visible()
        card = page.locator(".st-key-card_quick")
        click(page, card.get_by_role("button", name="Choose"))
        expect(card.get_by_text("loaded", exact=True)).to_be_visible()
        press(page, "Undo")
        expect(page.locator(".st-key-card_recommended").get_by_text("loaded", exact=True)).to_be_visible()
        settled(page)
        card.get_by_role("button", name="Train now").dblclick()
        page.wait_for_url(re.compile("/Training.*run="), wait_until="commit")
        (run,) = runs.all_runs(workspace)
        assert run.id in page.url, "a double click is one run"
        wait_for_metric(page, "Status", "Queued|Running")
        page.goto(f"{app.address}/Configuration")
        expect(page.get_by_role("link", name="Go to Training").last).to_be_in_viewport(ratio=1)
        no_traceback(page)
    end_all(workspace)
