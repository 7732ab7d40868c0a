"""The Streams section: ordering evaluations, and what the chosen one found at the threshold that a budget allows."""

from __future__ import annotations

import streamlit as st

from pages.ui.evaluation import errors, operating, order, retraining, selection, weak_spots
from pages.ui.shared import job_progress
from pages.ui.shared.frame import plain
from trainer.evaluation import hard_negatives
from trainer.evaluation.evaluations import Evaluation
from trainer.evaluation.operating_point import OperatingPoint
from trainer.run.runs import Run
from trainer.system.counted import counted
from trainer.system.workspace import Workspace


def show(workspace: Workspace, run: Run, own: OperatingPoint | None) -> None:
    """Draw the section; `own` is the operating point of the run, which stands above."""
    every = selection.all_of(run)
    with st.expander("New evaluation", expanded=not every):
        order.show(workspace, run, bool(job_progress.running(workspace, job_progress.MODEL_VERBS)))
    if not every:
        st.info(
            "Not evaluated yet. An evaluation hears hours of sound with this model as a device would, and tells how "
            "many words it misses at how many false accepts per hour. Press Evaluate."
        )
        return
    evaluation = selection.choose(every)
    if own and own.evaluation != evaluation.id:
        st.caption(plain(_not_of_run(own, evaluation)))
    st.subheader("Choose a threshold by a budget", anchor=False)
    per_hour = operating.budget_form()
    heard = selection.load(run, evaluation)
    if heard is None:
        return
    _notes(workspace, heard)
    choice = operating.choose(evaluation, per_hour)
    if choice is None:
        return
    operating.show(heard, choice)
    st.subheader("Where it is weak", anchor=False)
    st.caption(f"At the threshold for this budget, {choice.point.threshold:.4f}.")
    weak_spots.show(heard, choice.point.threshold)
    st.subheader("Hear what went wrong", anchor=False)
    errors.show(workspace, heard, choice.point.threshold)
    retraining.show(workspace, run, evaluation.checkpoint)


def _not_of_run(own: OperatingPoint, evaluation: Evaluation) -> str:
    """Why what is shown below is not what the numbers above were measured on."""
    if evaluation.checkpoint != own.checkpoint:
        return f"This evaluation heard epoch {evaluation.epoch}, the numbers above are those of epoch {own.epoch}."
    if own.measured_on == "evaluation":
        return f"The numbers above were measured on another evaluation, {own.evaluation}."
    return (
        "The numbers above were not measured on this evaluation: it heard no word, or an earlier model of this epoch."
    )


def _notes(workspace: Workspace, heard: selection.Opened) -> None:
    """What was left out, and what flatters the result."""
    left_out = heard.streams.left_out
    if left_out:
        with st.expander(f"{len(left_out):,} recordings were left out" if len(left_out) > 1 else "Left out"):
            for note in left_out:
                st.markdown(f"- {plain(note)}")
    for note in heard.streams.notes:
        if note not in left_out:
            st.caption(plain(note))
    if sent := hard_negatives.taken_from(workspace, heard.streams):
        st.caption(
            f"The hard negatives hold {counted(sent, 'clip')} of these recordings: a model that was trained with them "
            "looks better here than elsewhere."
        )
