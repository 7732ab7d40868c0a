"""Going on from a run: resume, extend, clone its configuration and edit it, fine-tune a model of it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui.configuration import draft, editing
from pages.ui.configuration.draft import Source
from pages.ui.shared import flash, frame, run_controls
from pages.ui.shared.frame import plain
from trainer.config import config_difference, config_file
from trainer.evaluation import retraining
from trainer.run.runs import Run
from trainer.system.workspace import Workspace


def show(workspace: Workspace, run: Run, has_model: bool) -> None:
    flash.show(run_controls.PLACE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run_controls.show(workspace, run)
        cloned = st.button(
            "Clone and Edit", icon=":material/content_copy:",
            help="Takes its configuration into the Configuration page; what you save there starts as another run.",
        )  # fmt: skip
        tuned = st.button(
            "Fine-tune", icon=":material/tune:", disabled=not has_model,
            help="A configuration that goes on from the best model of this run: fewer epochs, a lower learning rate.",
        )  # fmt: skip
    if cloned:
        editing.load(workspace, Source("run", run.id))
        _configure()
    if tuned:
        fine_tune(workspace, run, run.id)


def _configure() -> None:
    """Leave for the Configuration page. Without `query_params` Streamlit refuses while a widget is in the address."""
    st.switch_page(frame.CONFIGURATION, query_params={})


def fine_tune(workspace: Workspace, run: Run, start_from: str) -> None:
    """Open the Configuration page with a training that goes on from a model of the run, as edits of the run's own."""
    try:
        config = retraining.config_of(config_file.load(run.config_file), start_from)
        loaded = draft.load(workspace, Source("run", run.id))
    except (ValueError, OSError) as error:
        st.error(plain(str(error)))
        return
    editing.take(workspace, replace(loaded, values=config_difference.values(config)))
    _configure()
