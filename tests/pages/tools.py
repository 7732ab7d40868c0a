"""Drawing a page without a browser, and finding things on it."""

import functools
import os

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from pages.ui.shared import next_step
from tests.waiting import PATIENCE
from trainer.system import durable, processes
from trainer.system.job import Job, Verb
from trainer.system.workspace import PROJECT_ROOT, Workspace

# AppTest reads the metadata of every installed package, for components, whenever an app is first drawn: three quarters
# of the time of a test of a page. Once for each process is enough.
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)

PAGES = {
    "Wakeword Studio": None,
    "Dataset": "pages/1_Dataset.py",
    "Configuration": "pages/2_Configuration.py",
    "Training": "pages/3_Training.py",
    "Evaluation": "pages/4_Evaluation.py",
    "Runs": "pages/5_Runs.py",
}
NO_CONFIGURATION = "No configuration loaded. Choose or save one on the Configuration page first."
NO_SPLITS = "Dataset splits not found. Scan and split on the Dataset page first."
METRICS = {
    "Status", "Epoch", "Batch", "Train loss", "Train accuracy", "Val loss", "Val accuracy", "FPR", "FNR", "Speed",
    "GPU", "ETA", "Best epoch",
}  # fmt: skip
DRAW_ALL = """
import json, sys, time
from streamlit.testing.v1 import AppTest
app, found = AppTest.from_file(sys.argv[1], default_timeout=60), {}
for name, path in json.loads(sys.argv[2]).items():
    if path:
        app.switch_page(path)
    app.run()
    begin = time.perf_counter()
    app.run()
    errors = [error.message for error in app.exception]
    found[name] = [time.perf_counter() - begin, app.title[0].value, errors, "torch" in sys.modules]
print(json.dumps(found))
"""


def draw(page: str, run: str = "", section: str = "", **address: str | list[str]) -> AppTest:
    """The page at an address with these parameters."""
    app = AppTest.from_file(str(PROJECT_ROOT / "Home.py"), default_timeout=PATIENCE)
    if PAGES[page]:
        app.switch_page(PAGES[page])
    for name, value in ({"run": run, "section": section} | address).items():
        if value:
            app.query_params[name] = value
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].message
    return app


def press(app: AppTest, label: str) -> AppTest:
    return checked(next(button for button in app.button if button.label == label).click().run())


def field(app: AppTest, kind: str, label: str):
    return next(widget for widget in getattr(app, kind) if widget.label == label)


def texts(app: AppTest) -> list[str]:
    return [element.value for kind in ("error", "warning", "info", "success") for element in getattr(app, kind)]


def metric(app: AppTest, label: str) -> str:
    return next(found.value for found in app.metric if found.label == label)


def charts(app: AppTest) -> int:
    return len(app.get("vega_lite_chart"))


def links(app: AppTest) -> list[str]:
    """The labels of the links of the page, without those of its shell."""
    return [link.proto.label for link in app.main.get("page_link") if link.proto.help != next_step.HELP]


def next_link(app: AppTest) -> str:
    """The label of the link to the next step; empty when that is on this page."""
    found = (link.proto.label for link in app.main.get("page_link") if link.proto.help == next_step.HELP)
    return next(found, "")


def write_job(workspace: Workspace, verb: Verb = "scan", **changes: object) -> None:
    identity = processes.identity_of(os.getpid())
    known = {"boot_id": identity.boot_id, "clock": processes.boot_clock(), "identity": identity}
    document = Job(verb=verb, **(known | changes))
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    durable.replace_json(workspace.jobs / f"{verb}.json", document.model_dump())
