"""The Checkpoints and Evaluations sections of a run's page, with export and fine-tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.configuration import draft, editing
from pages.ui.configuration.draft import Source
from pages.ui.evaluation import evaluation_picker
from pages.ui.runs import run_files
from pages.ui.shared import frame, job_progress, metrics
from pages.ui.shared.frame import plain
from trainer.config import config_file, option_list
from trainer.detector import detector_file
from trainer.evaluation import evaluations, hard_negatives, point_text
from trainer.evaluation.evaluations import Evaluation
from trainer.run import earlier_run, models
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system import document_file
from trainer.system.workspace import Workspace


def show_checkpoints(workspace: Workspace, run: Run) -> None:
    """The checkpoints, and the buttons that export or fine-tune the chosen one."""
    every = models.checkpoints(run)
    if not every:
        st.info("This run has no checkpoints. A run saves one after each finished epoch.")
        return
    best = document_file.read_document(Best, run.checkpoints / "best.json")
    table = pd.DataFrame([_checkpoint(run, name, best) for name in every])
    st.dataframe(table, hide_index=True, width="stretch", column_config={"Size": run_files.SIZE}, alt="Checkpoints")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Checkpoint", every[::-1], key=f"checkpoint_{run.id}", width=260)
        st.button(
            "Export the model",
            on_click=job_progress.start,
            args=(workspace, "export", [run.id, "--checkpoint", chosen]),
            disabled=bool(job_progress.running(workspace, job_progress.MODEL_VERBS)),
            help="One ONNX file: waveform in, probability out. Download it on the Evaluation page.",
        )
        fine_tuned = st.button(
            "Fine-tune from this checkpoint",
            icon=":material/tune:",
            help="Opens a configuration that continues from it with fewer epochs and a lower learning rate.",
        )
    if fine_tuned:
        fine_tune(workspace, run, earlier_run.name_of(run, chosen))


def _checkpoint(run: Run, name: str, best: Best | None) -> dict[str, object]:
    epoch, whole = models.epoch_of(name)
    size, saved = run_files.file_facts(run.checkpoints / name) or (None, None)
    exported = detector_file.path_in(models.folder_of(run, name)).exists()
    return {
        "Checkpoint": name,
        "Epoch": epoch,
        "Finished": whole,
        "Best": bool(best and best.checkpoint == name),
        "Exported": exported,
        "Saved": saved,
        "Size": size,
    }


def show_evaluations(run: Run) -> None:
    """The evaluations, each at the threshold of its model."""
    every = evaluation_picker.all_of(run)
    query = {"run": run.id}
    if not every:
        st.info(
            "This run has no evaluation yet. Evaluate it on the test split or on recordings on the Evaluation page."
        )
        st.page_link(frame.EVALUATION, label="Go to Evaluation", query_params=query, icon=":material/arrow_forward:")
        return
    st.caption(
        "Each model at its own threshold, with the 95 % confidence interval of the miss rate. A missing "
        "threshold means that the model is no longer exported."
    )
    formats: dict[str, Any] = {
        name: st.column_config.NumberColumn(format="%.1f %%") for name in ("Miss rate", "95 % from", "to")
    }
    formats["Threshold"] = st.column_config.NumberColumn(format="%.4f")
    formats["Evaluation"] = st.column_config.TextColumn(width="medium")
    table = pd.DataFrame([_evaluation(run, each) for each in every])
    st.dataframe(table, hide_index=True, width="stretch", column_config=formats, placeholder="–", alt="Evaluations")
    st.page_link(frame.EVALUATION, label="Open in Evaluation", query_params=query, icon=":material/arrow_forward:")


def _evaluation(run: Run, evaluation: Evaluation) -> dict[str, object]:
    model = models.model_with(run, evaluation.model_sha256)
    threshold = model[1].threshold if model else None
    folder = evaluations.folder_of(run, evaluation.id)
    measured = None if threshold is None else metrics.measure(folder, evaluation, threshold)
    point = measured.point if measured else None
    rates = (point.miss_rate, point.low, point.high) if point else (None, None, None)
    columns = zip(("Miss rate", "95 % from", "to"), rates, strict=True)
    return {
        "Evaluation": evaluation_picker.name_of(evaluation),
        "Words": evaluation.words,
        "Hours": evaluation.hours,
        "Threshold": threshold,
        **{name: None if rate is None else 100 * rate for name, rate in columns},
        "False accepts per hour": point_text.per_hour(point.false_accepts if point else None, evaluation.hours),
    }


def open_configuration() -> None:
    """Switch to the Configuration page. Without `query_params` Streamlit refuses while a widget is in the address."""
    st.switch_page(frame.CONFIGURATION, query_params={})


def fine_tune(workspace: Workspace, run: Run, start_from: str) -> None:
    """Open the Configuration page with the run's configuration, edited so that training continues from `start_from`."""
    try:
        config = hard_negatives.retraining_config(config_file.load(run.config_file), start_from)
        loaded = draft.load(workspace, Source("run", run.id))
    except (ValueError, OSError) as error:
        st.error(plain(str(error)))
        return
    editing.take(workspace, replace(loaded, values=option_list.values(config)))
    open_configuration()
