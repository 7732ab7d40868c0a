"""The Streams section: new evaluations, the threshold for a budget of false accepts, weak spots, errors, retraining."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages.ui.evaluation import error_browser, evaluation_picker, threshold_panel
from pages.ui.evaluation.evaluation_picker import ScoredEvaluation
from pages.ui.shared import flash, frame, job_progress, metrics
from pages.ui.shared.frame import plain
from trainer.config import config_file, saved_configs
from trainer.evaluation import errors, hard_negatives, intervals
from trainer.evaluation.errors import Accepts, Phrase, Row
from trainer.evaluation.evaluations import Evaluation
from trainer.evaluation.operating_point import OperatingPoint
from trainer.run import earlier_run
from trainer.run.runs import Run
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

RETRAINING = "retraining"
NO_WORD = "These streams do not contain the word."
NO_PHRASE = "These streams have no labelled phrases. Evaluate on the test split to see its look-alikes."
HARD = (
    "Miss rates above count clean words, words in noise and in rooms. The other conditions show where a model is weak."
)
BOUNDS = (
    f"The 95 % confidence interval. It is not available for fewer than {intervals.FEWEST_SOURCES} speakers or clips."
)
WeakSpots = tuple[list[Row], list[Accepts], list[Row], list[Phrase]]


def show(workspace: Workspace, run: Run, own: OperatingPoint | None) -> None:
    """Draw the section; `own` is the operating point of the run, which the page shows above."""
    every = evaluation_picker.all_of(run)
    with st.expander("New evaluation", expanded=not every):
        evaluation_picker.show_form(workspace, run, bool(job_progress.running(workspace, job_progress.MODEL_VERBS)))
    if not every:
        st.info(
            "Not evaluated yet. An evaluation runs the model over hours of sound, as a device would, and measures the "
            "miss rate and the false accepts per hour. Click Evaluate."
        )
        return
    evaluation = evaluation_picker.choose(every)
    if own and own.evaluation != evaluation.id:
        st.caption(plain(_why_numbers_differ(own, evaluation)))
    st.header("Choose a threshold", anchor=False)
    per_hour = threshold_panel.budget_form()
    scored = evaluation_picker.load(run, evaluation)
    if scored is None:
        return
    _show_notes(workspace, scored)
    choice = threshold_panel.choose(scored, per_hour)
    if choice is None:
        return
    threshold_panel.show(scored, choice)
    st.header("Weak spots", anchor=False)
    st.caption(f"At the threshold for this budget, {choice.point.threshold:.4f}.")
    _show_weak_spots(scored, choice.point.threshold)
    st.header("Errors", anchor=False)
    error_browser.show(workspace, scored, choice.point.threshold)
    _show_retraining(workspace, run, evaluation.checkpoint)


def _why_numbers_differ(own: OperatingPoint, evaluation: Evaluation) -> str:
    """Why the numbers at the top of the page do not come from the evaluation that is shown."""
    if evaluation.checkpoint != own.checkpoint:
        return f"This evaluation uses epoch {evaluation.epoch}; the numbers above are of epoch {own.epoch}."
    if own.measured_on == "evaluation":
        return f"The numbers above come from another evaluation, {own.evaluation}."
    return (
        "The numbers above do not come from this evaluation: its streams do not contain the word, or it used an "
        "earlier model of this epoch."
    )


def _show_notes(workspace: Workspace, scored: ScoredEvaluation) -> None:
    """Draw the recordings that were left out, and reasons why the result may look too good."""
    left_out = scored.streams.left_out
    if left_out:
        with st.expander(f"{counted(len(left_out), 'recording')} left out"):
            for note in left_out:
                st.markdown(f"- {plain(note)}")
    for note in scored.streams.notes:
        if note not in left_out:
            st.caption(plain(note))
    if sent := hard_negatives.taken_from(workspace, scored.streams):
        st.caption(
            f"The hard negatives contain {counted(sent, 'clip')} of these recordings. A model trained on them looks "
            "better here than elsewhere."
        )


@st.cache_data(max_entries=20, show_spinner="Finding weak spots")
def _weak_spots(folder: str, created: str, threshold: float, _scored: ScoredEvaluation) -> WeakSpots:
    heard = _scored.heard
    return (
        errors.by_condition(_scored.every, threshold),
        errors.accepts_by_condition(heard, threshold),
        errors.by_speaker(heard, threshold),
        errors.by_phrase(heard, threshold),
    )


def _show_weak_spots(scored: ScoredEvaluation, threshold: float) -> None:
    """Miss rates by condition and speaker, false accepts by phrase and sound."""
    key = str(scored.folder.path), scored.evaluation.created, threshold
    conditions, accepts, speakers, phrases = _weak_spots(*key, scored)
    by_condition, by_speaker, by_phrase, by_sound = st.tabs(
        ["Conditions", "Speakers", "Look-alikes", "False accepts by sound"]
    )
    with by_condition:
        if any(not each.recording.in_rates for each in scored.every):
            st.caption(HARD)
        _show_rates(conditions, "Condition", "Words", "Missed", NO_WORD)
    with by_speaker:
        st.caption("Highest miss rate first. More recordings of the speakers at the top help most.")
        _show_rates(speakers, "Speaker", "Words", "Missed", NO_WORD)
    with by_phrase:
        st.caption("Phrases that sound like the word, by how often the model accepts them.")
        _show_rates(phrases, "Phrase", "Spoken", "Accepted", NO_PHRASE)
    with by_sound:
        rows = [(each.condition, each.count, each.hours, each.text) for each in accepts]
        table = pd.DataFrame(rows, columns=["Sound", "False accepts", "Hours", "Rate"])
        st.dataframe(table.round({"Hours": 3}), hide_index=True, width="stretch", alt="False accepts by sound")


def _show_rates(rows: Sequence[Row], first: str, count: str, wrong: str, none: str) -> None:
    """A table of rates with their intervals, or the sentence `none`."""
    if not rows:
        st.caption(none)
        return
    values = [(row.name, row.count, row.wrong, *map(metrics.in_percent, (row.rate, row.low, row.high))) for row in rows]
    table = pd.DataFrame(values, columns=[first, count, wrong, "Rate", "95 % from", "to"])
    formats = {
        name: st.column_config.NumberColumn(format="%.1f %%", help=BOUNDS if name != "Rate" else None)
        for name in ("Rate", "95 % from", "to")
    }
    st.dataframe(
        table.astype({"95 % from": float, "to": float}),
        hide_index=True,
        width="stretch",
        column_config=formats,
        placeholder="–",
        alt=f"{wrong} by {first.lower()}",
    )


def _show_retraining(workspace: Workspace, run: Run, checkpoint: str) -> None:
    """The next steps once false accepts of this run are among the hard negatives; nothing before."""
    sent = sum(origin.run == run.id for origin in hard_negatives.origins(workspace))
    if not sent:
        return
    with st.container(border=True):
        st.header("Train again from this model", anchor=False)
        st.caption(
            f"Hard negatives from this run: {sent:,}. Fine-tuning this model teaches it to reject them: fewer epochs, "
            "a lower learning rate, and the hardest negatives more often. Scan and split the data set first."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(frame.DATASET, label="Scan and split", icon=":material/library_music:")
            st.button("Prepare the configuration", on_click=_prepare, args=(workspace, run, checkpoint))
            st.page_link(frame.TRAINING, label="Start the training", icon=":material/arrow_forward:")
        flash.show(RETRAINING)


def _prepare(workspace: Workspace, run: Run, checkpoint: str) -> None:
    """Save a fine-tuning configuration under a free name."""

    def prepare() -> str:
        config = hard_negatives.retraining_config(
            config_file.load(run.config_file), earlier_run.name_of(run, checkpoint)
        )
        name = saved_configs.free_name(workspace, f"retrain-{run.id}")
        saved_configs.save(workspace, name, config)
        return f"Saved as {name}. Choose it on the Training page and click Start Training."

    flash.attempt(RETRAINING, prepare)
