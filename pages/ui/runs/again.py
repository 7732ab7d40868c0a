"""Going on from a run: resume, extend, clone its configuration and edit it, fine-tune its best model."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui import draft, editing, frame, refusal, run_controls
from pages.ui.draft import Source
from pages.ui.frame import plain
from trainer import config_difference, config_file
from trainer.evaluation import retraining
from trainer.runs import Run
from trainer.workspace import Workspace


def show(workspace: Workspace, run: Run, has_model: bool) -> None:
    for text in refusal.taken():
        st.error(plain(text))
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
        st.switch_page(frame.CONFIGURATION)
    if tuned and _take_fine_tuning(workspace, run):
        st.switch_page(frame.CONFIGURATION)


def _take_fine_tuning(workspace: Workspace, run: Run) -> bool:
    """Put such a configuration into the form of the Configuration page, as edits of the run's own."""
    try:
        config = retraining.config_of(config_file.load(run.config_file), run.id)
        loaded = draft.load(workspace, Source("run", run.id))
    except (ValueError, OSError) as error:
        st.error(plain(str(error)))
        return False
    editing.take(workspace, replace(loaded, values=config_difference.values(config)))
    return True
