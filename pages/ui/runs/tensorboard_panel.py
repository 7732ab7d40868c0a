"""The TensorBoard popover: the command, and buttons that start, open and stop a server on this machine."""

from __future__ import annotations

import subprocess

import streamlit as st

from pages.ui.shared import flash
from pages.ui.shared.frame import plain
from trainer.run import tensorboard
from trainer.run.runs import Run
from trainer.run.tensorboard import Server
from trainer.system.workspace import Workspace


def show_tensorboard(workspace: Workspace, run: Run | None = None) -> None:
    """Draw the popover for all runs, or for one."""
    with st.popover("TensorBoard", icon=":material/monitoring:"):
        st.caption("Every run writes TensorBoard event files while it trains.")
        st.caption("On the command line (other users of this machine can open that server too):")
        st.code(tensorboard.command(workspace, run), language=None, wrap_lines=True)
        server = _running(workspace)
        if server:
            st.link_button("Open TensorBoard", tensorboard.address_of(server, run), icon=":material/open_in_new:")
            st.caption("TensorBoard listens on 127.0.0.1: only browsers on the machine that runs this app can open it.")
            st.button("Stop TensorBoard", on_click=_stop, args=(workspace,))
        else:
            st.button("Start TensorBoard", type="primary", on_click=_start, args=(workspace,))
        flash.show("tensorboard")


def _running(workspace: Workspace) -> Server | None:
    """The running server, once it has an address; an error if it does not start."""
    server = tensorboard.running(workspace)
    if server is None or server.address:
        return server
    try:
        with st.spinner("TensorBoard is starting…"):
            return tensorboard.wait(workspace)
    except ValueError as error:
        st.error(plain(str(error)))
        return None


def _start(workspace: Workspace) -> None:
    def start() -> str:
        try:
            tensorboard.start(workspace)
        except subprocess.SubprocessError:
            raise ValueError(f"TensorBoard did not start. See {tensorboard.log_file(workspace)}.") from None
        return ""

    flash.attempt("tensorboard", start)


def _stop(workspace: Workspace) -> None:
    flash.attempt(
        "tensorboard", lambda: "TensorBoard stopped." if tensorboard.stop(workspace) else "TensorBoard was not running."
    )
