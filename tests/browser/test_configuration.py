"""The Configuration page in a real browser: preset, edit, invalid value, mend, validate, save, leave, return, reset."""

import re

from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.test_walk import EPOCHS, button, metric, no_traceback, settled, type_in, wait_for_metric
from tests.tiny import make_workspace
from trainer.config import config_file
from trainer.system.workspace import Workspace

UNSAVED = re.compile(r"Unsaved changes")  # not “No unsaved changes.”


def choose(page: Page, name: str, option: str) -> None:
    page.get_by_role("combobox", name=name, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_a_configuration_from_preset_to_file_and_back(page: Page, tmp_path):
    workspace = Workspace(tmp_path)
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Configuration")
        choose(page, "Preset", "tiny_device")
        button(page, "Load Preset").click()
        expect(page.get_by_text("Loaded: preset “tiny_device”. No changes.").first).to_be_visible()
        size = wait_for_metric(page, "Parameters", r"1\d,\d{3}")
        type_in(page, "spinbutton", EPOCHS, "0")
        expect(page.get_by_text("Must be at least 1; 0 given.", exact=True).first).to_be_visible()
        button(page, "Save Configuration").click()
        expect(page.get_by_text(re.compile("Not saved: the configuration is not valid")).first).to_be_visible()
        type_in(page, "spinbutton", EPOCHS, "45")
        type_in(page, "spinbutton", "Width", "0.75")
        expect(page.get_by_text("● tiny_device: 60").first).to_be_visible()
        button(page, "Validate Configuration").click()
        expect(page.get_by_text(re.compile("Configuration is valid")).first).to_be_visible()
        assert metric(page, "Parameters") != size, "sizes follow the form"
        type_in(page, "textbox", "Name", "small")
        button(page, "Save Configuration").click()
        expect(page.get_by_text(re.compile("Saved to .*small.yaml")).first).to_be_visible()
        type_in(page, "spinbutton", EPOCHS, "46")
        expect(page.get_by_text(UNSAVED).first).to_be_visible()
        page.get_by_role("link", name="Runs").first.click()
        expect(page.get_by_text(re.compile("No runs yet")).first).to_be_visible()
        page.get_by_role("link", name="Configuration").first.click()
        expect(page.get_by_role("spinbutton", name=EPOCHS)).to_have_value("46")
        page.reload()
        expect(page.get_by_role("spinbutton", name=EPOCHS)).to_have_value("46")
        expect(page.get_by_text(UNSAVED).first).to_be_visible()
        page.get_by_role("tab", name="Difference").click()
        expect(page.get_by_test_id("stDataFrame").last).to_be_visible()
        settled(page)
        button(page, "Reset").click()
        expect(page.get_by_text("No unsaved changes.").first).to_be_visible()
        button(page, "Validate Configuration").click()
        expect(page.get_by_text(re.compile("Configuration is valid")).first).to_be_visible()
        expect(page.get_by_role("tab", name="Difference")).to_have_attribute("aria-selected", "true")
        page.get_by_role("tab", name="Options").click()
        expect(page.get_by_role("spinbutton", name=EPOCHS)).to_have_value("45")
        expect(page.get_by_text("No unsaved changes.").first).to_be_visible()
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
        type_in(page, "spinbutton", EPOCHS, "46")
        expect(page.get_by_text(UNSAVED).first).to_be_visible()
        settled(page)
        buttons = [button(page, name).element_handle() for name in ("Reset", "Validate Configuration")]
        page.evaluate(PRESS_BOTH, buttons)  # what is above the fields says so before the fields are drawn
        expect(page.get_by_text(re.compile("Configuration is valid")).first).to_be_visible()
        settled(page)
        expect(page.get_by_role("spinbutton", name=EPOCHS)).to_have_value("40")
        expect(page.get_by_text("No changes.").first).to_be_visible()


def test_yaml_goes_out_and_comes_in(page: Page, tmp_path):
    with server.running(Workspace(tmp_path), page.context) as app:
        page.goto(f"{app.address}/Configuration")
        page.get_by_role("tab", name="YAML").click()
        with page.expect_download() as waiting:
            button(page, "Download YAML").click()
        text = waiting.value.path().read_text()
        assert config_file.parse(text.encode()) == config_file.preset("recommended")
        edited = tmp_path / "edited.yaml"
        edited.write_text(text.replace("epochs: 40", "epochs: 41"))
        page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(edited)
        expect(page.get_by_text("Loaded: file “edited”. No changes.").first).to_be_visible()
        misspelt = tmp_path / "misspelt.yaml"
        misspelt.write_text(text.replace("epochs: 40", "epoch: 41"))
        page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(misspelt)
        expect(page.get_by_text(re.compile("did you mean epochs?")).first).to_be_visible()
        no_traceback(page)


def test_the_time_is_measured_on_request(page: Page, tmp_path):
    workspace = make_workspace(tmp_path)
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Configuration")
        wait_for_metric(page, "Total time", "–")
        button(page, "Measure time").click()
        wait_for_metric(page, "Total time", r"\d\d:\d\d:\d\d")
        type_in(page, "spinbutton", EPOCHS, "41")
        wait_for_metric(page, "Total time", "–")
        expect(page.get_by_text("The last measurement used another configuration").first).to_be_visible()
        no_traceback(page)
    assert not workspace.runs.exists() or not list(workspace.runs.glob("2*")), "no run is made"
