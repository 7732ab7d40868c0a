"""Training again from a model, with the false accepts that were sent to the hard negatives."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared import flash, frame
from trainer.config import config_file, config_folder
from trainer.evaluation import hard_negatives, retraining
from trainer.run import earlier_run
from trainer.run.runs import Run
from trainer.system.workspace import Workspace


def show(workspace: Workspace, run: Run, checkpoint: str) -> None:
    """What to do after false accepts of this run were sent; nothing before. The model is that of `checkpoint`."""
    sent = sum(origin.run == run.id for origin in hard_negatives.origins(workspace))
    if not sent:
        return
    with st.container(border=True):
        st.subheader("Train again from this model", anchor=False)
        st.caption(
            f"False accepts of this run among the hard negatives: {sent:,}. A training that goes on from this "
            "model learns to leave them: fewer epochs, a lower learning rate, the hardest negatives more often. Scan "
            "and split first."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(frame.DATASET, label="Scan and split", icon=":material/library_music:")
            st.button("Prepare the configuration", on_click=_prepare, args=(workspace, run, checkpoint))
            st.page_link(frame.TRAINING, label="Start the training", icon=":material/arrow_forward:")
        flash.show("again")


def _prepare(workspace: Workspace, run: Run, checkpoint: str) -> None:
    """Save the configuration of such a training under a name of its own."""

    def prepare() -> str:
        config = retraining.config_of(config_file.load(run.config_file), earlier_run.name_of(run, checkpoint))
        name = config_folder.free_name(workspace, f"again-{run.id}")
        config_file.save(workspace, name, config)
        return f"Saved as {name}. Choose it on the Training page and press Start Training there."

    flash.attempt("again", prepare)
