"""What a browser asks for when every page is drawn, charts and players too: nothing of anybody but the server."""

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.screenshots import PAGES
from tests.browser.widgets import no_traceback, settled
from tests.run_folders import end, make_run
from tests.tiny import make_workspace
from tests.tone_model import evaluated

HERE = ("", "127.0.0.1")
"""No host: data and blobs, which a page holds itself."""


def test_no_page_asks_anybody_for_anything(page: Page, tmp_path: Path):
    workspace = make_workspace(tmp_path)
    run = make_run(workspace)
    end(run, "completed", "All epochs are done.")
    evaluated(workspace, run)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    with server.running(workspace, page.context) as app:
        for address in PAGES.values():
            page.goto(f"{app.address}/{address}")
            expect(page.locator("h1").first).to_be_visible()
            settled(page)
            no_traceback(page)
    assert len(asked) > len(PAGES)
    assert [url for url in asked if (urlsplit(url).hostname or "") not in HERE] == []
