"""The Streams section: ordering evaluations, and what the chosen one found at the threshold that a budget allows."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui.evaluation import error_browser, evaluation_form, evaluation_picker, threshold_panel
from pages.ui.evaluation.evaluation_picker import Opened
from pages.ui.shared import flash, frame, job_progress
from pages.ui.shared.frame import plain
from trainer.config import config_file, saved_configs
from trainer.evaluation import hard_negatives, intervals, tables
from trainer.evaluation.evaluations import Evaluation
from trainer.evaluation.operating_point import OperatingPoint
from trainer.evaluation.tables import Accepts, Phrase, Row
from trainer.run import earlier_run
from trainer.run.runs import Run
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace


def show_retraining(workspace: Workspace, run: Run, checkpoint: str) -> None:
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
        config = hard_negatives.retraining_config(
            config_file.load(run.config_file), earlier_run.name_of(run, checkpoint)
        )
        name = saved_configs.free_name(workspace, f"again-{run.id}")
        config_file.save(workspace, name, config)
        return f"Saved as {name}. Choose it on the Training page and press Start Training there."

    flash.attempt("again", prepare)


NO_WORD = "No word was said in these streams."
NO_PHRASE = "No phrases are known in these streams: the look-alikes of a test split have them."
BOUNDS = f"Between these bounds the rate lies with 95 % confidence; none are known {intervals.TOO_FEW}."


@st.cache_data(max_entries=20, show_spinner=False)
def _weak_spots(
    folder: str, created: str, threshold: float, _opened: Opened
) -> tuple[list[Row], list[Accepts], list[Row], list[Phrase]]:
    heard = _opened.heard
    return (
        tables.by_condition(heard, threshold), tables.accepts_by_condition(heard, threshold),
        tables.by_speaker(heard, threshold), tables.by_phrase(heard, threshold),
    )  # fmt: skip


def _rates(rows: Sequence[Row], first: str, count: str, wrong: str, none: str) -> None:
    """A table of rates with their bounds, or why there is none."""
    if not rows:
        st.caption(none)
        return
    columns = [first, count, wrong, "Rate", "From", "To"]
    values = [(row.name, row.count, row.wrong, row.rate, row.low, row.high) for row in rows]
    percent = {
        name: st.column_config.NumberColumn(format="percent", help=BOUNDS if name != "Rate" else None)
        for name in ("Rate", "From", "To")
    }
    table = pd.DataFrame(values, columns=columns).astype({"From": float, "To": float})
    st.dataframe(table, hide_index=True, width="stretch", column_config=percent, alt=f"{wrong} by {first.lower()}")


def show_weak_spots(opened: Opened, threshold: float) -> None:
    evaluation = opened.evaluation
    conditions, accepts, speakers, phrases = _weak_spots(str(opened.folder.path), evaluation.created, threshold, opened)
    first, second, third, fourth = st.tabs(["Conditions", "Speakers", "Look-alikes", "False accepts by sound"])
    with first:
        _rates(conditions, "Condition", "Words", "Missed", NO_WORD)
    with second:
        st.caption("Weakest first. More recordings of the speakers at the top help most.")
        _rates(speakers, "Speaker", "Words", "Missed", NO_WORD)
    with third:
        st.caption("Phrases that sound like the word, by how often the model wakes for them.")
        _rates(phrases, "Phrase", "Times said", "Woke it", NO_PHRASE)
    with fourth:
        rows = [(each.condition, each.count, each.hours, each.text) for each in accepts]
        table = pd.DataFrame(rows, columns=["Sound", "False accepts", "Hours", "Rate"])
        st.dataframe(table.round({"Hours": 3}), hide_index=True, width="stretch", alt="False accepts by sound")


def show(workspace: Workspace, run: Run, own: OperatingPoint | None) -> None:
    """Draw the section; `own` is the operating point of the run, which stands above."""
    every = evaluation_picker.all_of(run)
    with st.expander("New evaluation", expanded=not every):
        evaluation_form.show(workspace, run, bool(job_progress.running(workspace, job_progress.MODEL_VERBS)))
    if not every:
        st.info(
            "Not evaluated yet. An evaluation hears hours of sound with this model as a device would, and tells how "
            "many words it misses at how many false accepts per hour. Press Evaluate."
        )
        return
    evaluation = evaluation_picker.choose(every)
    if own and own.evaluation != evaluation.id:
        st.caption(plain(_not_of_run(own, evaluation)))
    st.subheader("Choose a threshold by a budget", anchor=False)
    per_hour = threshold_panel.budget_form()
    heard = evaluation_picker.load(run, evaluation)
    if heard is None:
        return
    _notes(workspace, heard)
    choice = threshold_panel.choose(evaluation, per_hour)
    if choice is None:
        return
    threshold_panel.show(heard, choice)
    st.subheader("Where it is weak", anchor=False)
    st.caption(f"At the threshold for this budget, {choice.point.threshold:.4f}.")
    show_weak_spots(heard, choice.point.threshold)
    st.subheader("Hear what went wrong", anchor=False)
    error_browser.show(workspace, heard, choice.point.threshold)
    show_retraining(workspace, run, evaluation.checkpoint)


def _not_of_run(own: OperatingPoint, evaluation: Evaluation) -> str:
    """Why what is shown below is not what the numbers above were measured on."""
    if evaluation.checkpoint != own.checkpoint:
        return f"This evaluation heard epoch {evaluation.epoch}, the numbers above are those of epoch {own.epoch}."
    if own.measured_on == "evaluation":
        return f"The numbers above were measured on another evaluation, {own.evaluation}."
    return (
        "The numbers above were not measured on this evaluation: it heard no word, or an earlier model of this epoch."
    )


def _notes(workspace: Workspace, heard: evaluation_picker.Opened) -> None:
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
