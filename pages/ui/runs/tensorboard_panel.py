"""TensorBoard on the same metrics: the command that opens it, starting it on this machine, and ending it."""

from __future__ import annotations

import subprocess

import streamlit as st

from pages.ui.shared import flash
from pages.ui.shared.frame import plain
from trainer.run import tensorboard
from trainer.run.runs import Run
from trainer.run.tensorboard import Server
from trainer.system.workspace import Workspace


def show(workspace: Workspace, run: Run | None = None) -> None:
    """Of all runs, or of one."""
    with st.popover("TensorBoard", icon=":material/monitoring:"):
        st.caption("Every run writes TensorBoard's event files as it trains.")
        st.caption("By hand, where other users of this machine can open it too:")
        st.code(tensorboard.command(workspace, run), language=None, wrap_lines=True)
        found = _running(workspace)
        if found:
            st.link_button("Open TensorBoard", tensorboard.address_of(found, run), icon=":material/open_in_new:")
            st.caption("It listens on 127.0.0.1, so only a browser on the machine of this app reaches it.")
            st.button("Stop TensorBoard", on_click=_stop, args=(workspace,))
        else:
            st.button("Start TensorBoard", type="primary", on_click=_start, args=(workspace,))
        flash.show("tensorboard")


def _running(workspace: Workspace) -> Server | None:
    """The server, once it has an address; one that does not come is told."""
    found = tensorboard.running(workspace)
    if found is None or found.address:
        return found
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
            raise ValueError(f"TensorBoard could not be started; see {tensorboard.log_file(workspace)}.") from None
        return ""

    flash.attempt("tensorboard", start)


def _stop(workspace: Workspace) -> None:
    flash.attempt("tensorboard", lambda: "TensorBoard has ended." if tensorboard.stop(workspace) else "None ran.")
