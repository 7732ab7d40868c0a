"""The way into the app in a real browser: with the token, without it, from elsewhere, and after a restart."""

import http.server
import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.access.test_access import network_addresses
from tests.browser import app as server
from tests.browser.widgets import click, no_traceback, open_tab, press, settled, shows, wait_on
from tests.run_folders import make_run, workspace_at
from tests.tiny import write_wav
from tests.waiting import wait_for
from trainer.system import access_token
from trainer.system.workspace import Workspace

ASKS = "Wakeword Studio needs an access token"


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return workspace_at(tmp_path)


@contextmanager
def elsewhere(page: str):
    """A site of somebody else, `localhost` with a page of theirs: another site than 127.0.0.1 to a browser."""

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *about):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site.server_port
        site.shutdown()


def cookies_of(context: BrowserContext) -> list[dict]:
    return [each for each in context.cookies() if each["name"].startswith("wakeword-")]


def test_the_printed_address_opens_the_app_and_stays_out_of_the_history(page: Page, workspace: Workspace):
    run = make_run(workspace)
    with server.running(workspace) as app:
        response = page.goto(f"{app.address}/Training?run={run.id}")
        assert response.status == 403
        expect(page.get_by_role("heading")).to_have_text(ASKS)
        page.get_by_label("Access token").fill("not the token")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_text("The token is not valid.")).to_be_visible()
        page.get_by_label("Access token").fill(access_token.read(workspace))
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("heading", name="Training")).to_be_visible()
        assert page.url == f"{app.address}/Training?run={run.id}", "the rest of the address is kept"
        (cookie,) = cookies_of(page.context)
        assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/"
        assert access_token.read(workspace) not in cookie["value"]
        page.context.clear_cookies()
        page.goto(app.entrance)
        expect(page.get_by_role("heading", name="Wakeword Studio")).to_be_visible()
        assert page.url == f"{app.address}/"
        no_traceback(page)
        expect(page.get_by_text("without an access token")).to_have_count(0)


def test_the_browser_that_is_opened_gets_in_and_no_process_shows_the_token(page: Page, workspace: Workspace, tmp_path):
    """Every user of the machine can read what a browser was called with."""
    opener, called = tmp_path / "bin" / "xdg-open", tmp_path / "called"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$@" > {called}.part && mv {called}.part {called}\n')
    opener.chmod(0o755)
    path = f"{opener.parent}:{os.environ['PATH']}"
    app = server.start(workspace, server.free_port(), PATH=path, STREAMLIT_SERVER_HEADLESS="false")
    try:
        wait_for(called.exists)
        address = called.read_text().strip()
        file = Path(address.removeprefix("file://"))
        assert address.startswith("file:///") and access_token.read(workspace) not in address
        assert file.stat().st_mode & 0o777 == 0o600
        page.goto(address)
        expect(page.get_by_role("heading", name="Wakeword Studio", exact=True)).to_be_visible()
        assert page.url == f"{app.address}/"
        app.end(signal.SIGINT)
        assert not file.exists()
    finally:
        if app.process.poll() is None:
            app.end(signal.SIGKILL)


def test_an_open_page_and_the_cookie_outlive_a_restart(page: Page, workspace: Workspace):
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Runs")
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        settled(page)
        app.end(signal.SIGINT)
        expect(page.get_by_test_id("stApp")).not_to_have_attribute("data-test-connection-state", "CONNECTED")
        again = server.start(workspace, int(app.address.rpartition(":")[2]))
        try:
            expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-connection-state", "CONNECTED")
            training = page.get_by_test_id("stSidebarNavLink").filter(has_text="Training")
            expect(training).not_to_have_attribute("disabled", "")
            click(page, training)
            expect(page.get_by_role("heading", name="Training")).to_be_visible()
            page.reload()
            expect(page.get_by_role("heading", name="Training")).to_be_visible()
            access_token.file_of(workspace).unlink()
            again.end(signal.SIGTERM)
            again = server.start(workspace, int(app.address.rpartition(":")[2]))
            assert page.goto(f"{app.address}/Runs").status == 403, "a new token shuts the old cookie out"
            expect(page.get_by_role("heading")).to_have_text(ASKS)
        finally:
            again.end(signal.SIGKILL)


def test_a_link_of_another_site_leads_in_and_its_frame_does_not(page: Page, workspace: Workspace):
    with server.running(workspace, page.context) as app:
        theirs = f'<a href="{app.address}/Runs">runs</a><iframe src="{app.address}/Runs"></iframe>'
        with elsewhere(theirs) as port:
            page.goto(f"http://localhost:{port}/")
            expect(page.get_by_role("link")).to_be_visible()
            wait_on(page, lambda: [frame.url[:13] for frame in page.frames[1:]] == ["chrome-error:"])
            page.get_by_role("link").click()
            expect(page.get_by_role("heading", name="Runs")).to_be_visible()


STEAL = """async ([http, ws]) => {
  const opens = (address) => new Promise((done) => {
    const socket = new WebSocket(address, "streamlit");
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
  });
  const told = async (options) => fetch(http + "/_stcore/host-config", options).then(() => "read", () => "refused");
  const credentials = "include";
  return [await opens(ws), await told({ credentials }), await told({ credentials, method: "PUT" })];
}"""


def test_a_page_at_another_port_of_this_host_drives_nothing(page: Page, workspace: Workspace):
    """To a browser it is the same site, so even a strict cookie is sent with what it asks."""
    with server.running(workspace, page.context) as app, elsewhere("theirs") as port:
        addresses = [app.address, app.address.replace("http", "ws") + "/_stcore/stream"]
        page.goto(app.address)
        assert page.evaluate(STEAL, addresses)[0] == "open", "our own page is let in"
        page.goto(f"http://127.0.0.1:{port}/")
        assert page.evaluate(STEAL, addresses) == ["refused"] * 3


def test_a_browser_of_the_network_is_told_why_it_has_no_microphone(page: Page, workspace: Workspace):
    own = next((each for each in network_addresses() if ":" not in each), None) or pytest.skip("no IPv4 network")
    app = server.start(workspace, server.free_port(), "0.0.0.0")
    try:
        page.goto(app.entrance.replace("127.0.0.1", own))
        page.goto(f"{app.address.replace('127.0.0.1', own)}/Dataset")
        open_tab(page, "Record")
        shows(page, "The browser blocks the microphone on this page")
        page.goto(app.entrance)
        page.goto(f"{app.address}/Dataset")
        open_tab(page, "Record")
        shows(page, "on the machine that runs the app, or over HTTPS")
        expect(page.get_by_text("The browser blocks the microphone")).to_have_count(0)
    finally:
        app.end(signal.SIGKILL)


def test_a_file_of_30_mb_is_taken_in_through_the_guard(page: Page, workspace: Workspace, tmp_path):
    write_wav(tmp_path / "long.wav", np.zeros(16000 * 60 * 15), 16000)
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Dataset")
        open_tab(page, "Import")
        page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(tmp_path / "long.wav")
        press(page, "Import files")
        shows(page, "Imported 1 into positive.")
        no_traceback(page)


def test_an_open_tab_does_not_keep_a_server_from_ending(page: Page, workspace: Workspace):
    with server.running(workspace, page.context) as app:
        page.goto(app.address)
        settled(page)
        begin = time.monotonic()
        app.end(signal.SIGINT)
        assert time.monotonic() - begin < 10
