"""Pages, sections, tabs and popovers before axe-core, in light and dark: no serious fault, no skipped heading."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests import tone_model
from tests.browser import app as server
from tests.browser.widgets import EPOCHS, click, customize, open_tab, press, settled, type_in
from tests.run_folders import end, make_alive, make_run
from tests.tiny import make_workspace, tiny_config
from trainer.config import saved_configs
from trainer.run.runs import Run

DISABLED = "[data-testid=stAudioInput]:has([disabled])"
"""A recorder that cannot be used yet: WCAG asks no contrast of it, but axe-core does not see that it is disabled."""
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
"""Without it, colours are half of one scheme and half of the other for a moment."""
LOOKS = 5
SCHEMES = ("light", "dark")
BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}


@pytest.fixture
def made(tmp_path) -> list[Run]:
    """A run that ended with a model, one that failed, and one that trains."""
    workspace = make_workspace(tmp_path / "workspace", hard_negatives=8)
    saved_configs.save(workspace, "kitchen", tiny_config())
    found = [make_run(workspace, number, label, epochs=3) for number, label in enumerate(("done", "bad", "now"), 1)]
    end(found[0], "completed", "All epochs are done.")
    tone_model.finish(found[0])
    end(found[1], "failed", "ValueError: A clip is missing.")
    make_alive(found[2])
    return found


def violations(page: Page) -> list[str]:
    """What axe-core finds now, in words."""
    found = []
    for violation in Axe().run(page, context={"exclude": [[DISABLED]]}).response["violations"]:
        if violation["impact"] in ("serious", "critical") or violation["id"] == "heading-order":
            for node in violation["nodes"]:
                reasons = [check["message"] for check in node["any"] + node["all"] + node["none"]]
                found.append(f"{violation['id']}: {node['html'][:200]}: {reasons}")
    return found


def faults(page: Page, where: str) -> list[str]:
    """What axe-core still finds in both schemes when the page has taken the colours of the scheme."""
    settled(page)
    page.add_style_tag(content=STILL)
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", BACKGROUNDS[scheme])
        seen: list[str] = []
        for _ in range(LOOKS):
            if not (seen := violations(page)):
                break
            page.wait_for_timeout(1000)  # what is drawn late, or changes its colour late, is looked at once more
        found += [f"{where or 'Home'}, {scheme}: {each}" for each in seen]
    return found


def popover_faults(page: Page, name: str) -> list[str]:
    click(page, page.get_by_test_id("stPopover").filter(has_text=name).get_by_role("button"))
    found = faults(page, f"popover {name}")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    return found


def test_no_page_has_a_serious_fault(page: Page, made: list[Run]):
    done, failed, running = (f"?run={run.id}" for run in made)
    found = []
    with server.running(made[0].workspace, page.context) as app:

        def look(address: str) -> list[str]:
            page.goto(f"{app.address}/{address}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            return faults(page, address)

        found += look("")
        found += look("Dataset")
        for tab in ("Import", "Record", "Voices"):
            open_tab(page, tab)
            found += faults(page, f"Dataset, {tab}")
        found += look("Configuration")
        customize(page)
        type_in(page, "spinbutton", EPOCHS, "0")
        press(page, "Validate Configuration")
        found += faults(page, "Configuration with a problem")
        open_tab(page, "YAML")
        press(page, "Reset")
        found += faults(page, "Configuration, YAML")
        found += look(f"Training{running}")
        for name in ("Notifications", "Queue"):
            found += popover_faults(page, name)
        found += look(f"Training{failed}")
        for section in ("Streams", "Clips", "Listen", "Compare", "Model"):
            found += look(f"Evaluation{done}&section={section}")
        found += look("Runs")
        found += popover_faults(page, "Columns")
        found += look(f"Runs{done}")
        found += look(f"Runs?compare={','.join(run.id for run in made)}")
    assert not found, "\n".join(found)
