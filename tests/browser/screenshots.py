"""Pictures of every page for the documentation and for a look at one's own work.

    python -m tests.browser.screenshots WORKSPACE FOLDER [--all]

Takes each page at 1400 px in light; with --all at 900 px and in dark too. The workspace is only read.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import app as server
from tests.browser.conftest import BROWSERS
from trainer.system.workspace import Workspace

PAGES = {"home": "", "dataset": "Dataset", "configuration": "Configuration", "training": "Training",
         "evaluation": "Evaluation", "runs": "Runs"}  # fmt: skip


def main(workspace: Workspace, folder: Path, every: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = next(filter(None, map(shutil.which, BROWSERS)))
    kinds = [(w, scheme) for w in (1400, 900) for scheme in ("light", "dark")] if every else [(1400, "light")]
    with server.running(workspace) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for width, scheme in kinds:
            context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
            app.let_in(context)
            page = context.new_page()
            for name, address in PAGES.items():
                page.goto(f"{app.address}/{address}")
                page.wait_for_selector("h1")
                page.wait_for_timeout(2500)
                height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
                page.set_viewport_size({"width": width, "height": min(2600, max(700, height))})
                page.wait_for_timeout(700)
                ending = f"-{width}-{scheme}" if every else ""
                page.screenshot(path=folder / f"{name}{ending}.png")
                page.set_viewport_size({"width": width, "height": 1000})
            context.close()
        browser.close()


if __name__ == "__main__":
    main(Workspace(Path(sys.argv[1]).resolve()), Path(sys.argv[2]), "--all" in sys.argv)
