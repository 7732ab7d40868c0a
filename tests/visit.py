"""Start the app, draw every page over its own websocket, without a browser, then TensorBoard.

    python -m tests.visit ADDRESS      # where the app is to listen

A stranger's page tries to reach the app too. Prints the pages that were drawn, and the runs that TensorBoard knows.
"""

from __future__ import annotations

import signal
import sys
import urllib.request
from contextlib import suppress

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.browser import app
from tests.waiting import PATIENCE
from trainer.run import tensorboard
from trainer.system.workspace import Workspace, open_workspace

STRANGER = "http://stranger.example"
"""Streamlit itself would ask a server of its own on the internet whether this is our address."""
PAGES = ("", "Dataset", "Configuration", "Training", "Evaluation", "Runs")


def draw(server: ClientConnection, page: str) -> None:
    """Have a page drawn to its end."""
    wish, answer = BackMsg(), ForwardMsg()
    wish.rerun_script.page_name = page
    server.send(wish.SerializeToString())
    while answer.WhichOneof("type") != "script_finished":
        answer.ParseFromString(server.recv(timeout=PATIENCE))
        assert answer.delta.new_element.WhichOneof("type") != "exception", answer
    assert answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY, answer


def visit_pages(workspace: Workspace, listening: str) -> None:
    server = app.start(workspace, app.free_port(), listening, anew=True)
    address, let_in = f"{server.address.replace('http', 'ws')}/_stcore/stream", {"Cookie": server.cookie}
    with suppress(InvalidStatus), connect(address, origin=STRANGER, additional_headers=let_in):
        raise AssertionError(f"{STRANGER} was let in")
    with connect(address, origin=server.address, additional_headers=let_in, max_size=None) as session:
        for page in PAGES:
            draw(session, page)
            print(page or "Home")
    server.end(signal.SIGINT)


def visit_tensorboard(workspace: Workspace) -> None:
    tensorboard.start(workspace)
    with urllib.request.urlopen(f"{tensorboard.wait(workspace).address}data/runs") as answer:
        print(answer.read().decode())
    assert tensorboard.stop(workspace)


if __name__ == "__main__":
    visit_pages(open_workspace(), sys.argv[1])
    visit_tensorboard(open_workspace())
