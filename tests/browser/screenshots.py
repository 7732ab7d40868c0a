"""Pictures of the pages for the documentation and for a look at one's own work.

    python -m tests.browser.screenshots WORKSPACE FOLDER [--all] [--only training,home]

Takes each page at 1400 px in light; with --all at 900 and 390 px and in dark too. Evaluation and model are those of the
newest run that was evaluated, the comparison is of the two newest. The workspace is only read.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser import app as server
from tests.browser.conftest import BROWSERS
from tests.waiting import PATIENCE
from trainer.evaluation import evaluations
from trainer.run import runs
from trainer.system.workspace import Workspace

PAGES = {
    "home": "",
    "dataset": "Dataset",
    "configuration": "Configuration",
    "training": "Training",
    "evaluation": "Evaluation{run}",
    "model": "Evaluation{run}&section=Model",
    "runs": "Runs",
    "compare": "Runs{compare}",
}


BUDGET = "12"
"""False accepts in the hours that the page offers: enough for some to be listed."""


def addresses(workspace: Workspace) -> dict[str, str]:
    """The address of each picture below that of the app."""
    evaluated = [run.id for run in runs.all_runs(workspace) if any(evaluations.all_of(run))]
    run = f"?run={evaluated[0]}" if evaluated else "?"
    compare = f"?compare={','.join(evaluated[:2])}" if evaluated else ""
    return {name: address.format(run=run, compare=compare) for name, address in PAGES.items()}


def main(workspace: Workspace, folder: Path, every: bool, only: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = next(filter(None, map(shutil.which, BROWSERS)))
    kinds = [(w, scheme) for w in (1400, 900, 390) for scheme in ("light", "dark")] if every else [(1400, "light")]
    wanted = {name: address for name, address in addresses(workspace).items() if not only or name in only}
    with server.running(workspace) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for width, scheme in kinds:
            context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
            app.let_in(context)
            page = context.new_page()
            for name, address in wanted.items():
                page.goto(f"{app.address}/{address}")
                if name == "evaluation" and "run=" in address:
                    budget = page.get_by_role("spinbutton", name="False accepts, at most")
                    budget.fill(BUDGET)
                    budget.press("Enter")
                ending = f"-{width}-{scheme}" if every else ""
                take(page, width, folder / f"{name}{ending}.png")
            context.close()
        browser.close()


DRAWN = """() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid=stSkeleton]')"""


def take(page: Page, width: int, path: Path) -> None:
    """The whole page as far as it is long, once its parts are drawn; some are drawn when they come into view."""
    page.wait_for_selector("h1")
    for _ in range(2):
        page.wait_for_timeout(2500)
        page.wait_for_function(DRAWN, timeout=1000 * PATIENCE)
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": min(2600, max(700, height))})
    page.wait_for_timeout(2500)
    page.screenshot(path=path)
    page.set_viewport_size({"width": width, "height": 1000})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", dest="every")
    parser.add_argument("--only", default="", help="pictures by name, separated by commas")
    given = parser.parse_args()
    main(Workspace(given.workspace.resolve()), given.folder, given.every, given.only.split(",") if given.only else [])
