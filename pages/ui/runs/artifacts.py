"""What a run keeps on disk: checkpoints, evaluations, and every file."""

from __future__ import annotations

from dataclasses import replace

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
from trainer.run import earlier_run, run_models
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system import document_file
from trainer.system.workspace import Workspace


def show_checkpoints(workspace: Workspace, run: Run) -> None:
    """Every checkpoint, which one is the best, and the way to a model from one."""
    every = run_models.kept(run)
    if not every:
        st.info("This run keeps no checkpoint. The first one comes with the first finished epoch.")
        return
    best = document_file.read(Best, run.checkpoints / "best.json")
    table = pd.DataFrame([_checkpoint(run, name, best) for name in every])
    st.dataframe(table, hide_index=True, width="stretch", column_config={"Size": run_files.SIZE}, alt="Checkpoints")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Checkpoint", every[::-1], key=f"checkpoint_{run.id}", width=260)
        st.button(
            "Export the model", on_click=job_progress.start,
            args=(workspace, "export", [run.id, "--checkpoint", chosen]),
            disabled=bool(job_progress.running(workspace, job_progress.MODEL_VERBS)),
            help="One ONNX file, sound in, probability out. Its files are taken away on the Evaluation page.",
        )  # fmt: skip
        tuned = st.button(
            "Fine-tune from it", icon=":material/tune:",
            help="A configuration that goes on from this checkpoint: fewer epochs, a lower learning rate.",
        )  # fmt: skip
    if tuned:
        fine_tune(workspace, run, earlier_run.name_of(run, chosen))


def _checkpoint(run: Run, name: str, best: Best | None) -> dict[str, object]:
    epoch, whole = run_models.epoch_of(name)
    size, saved = run_files.file_facts(run.checkpoints / name) or (None, None)
    exported = detector_file.path_in(run_models.folder_of(run, name)).exists()
    return {
        "Checkpoint": name, "Epoch": epoch, "Finished": whole, "Best": bool(best and best.checkpoint == name),
        "Exported": exported, "Saved": saved, "Size": size,
    }  # fmt: skip


def show_evaluations(run: Run) -> None:
    """Every evaluation, each at the threshold that its model has."""
    found = evaluation_picker.all_of(run)
    query = {"run": run.id}
    if not found:
        st.info("This run is not evaluated yet. The Evaluation page measures it on the test split and on recordings.")
        st.page_link(frame.EVALUATION, label="Go to Evaluation", query_params=query, icon=":material/arrow_forward:")
        return
    st.caption(
        "Each model at its own threshold; the miss rate lies between the bounds with 95 % confidence. Without a "
        "threshold: that model is not exported any more."
    )
    formats = {name: st.column_config.NumberColumn(format="%.1f %%") for name in ("Miss rate", "From", "To")}
    formats["Threshold"] = st.column_config.NumberColumn(format="%.4f")
    table = pd.DataFrame([_evaluation(run, each) for each in found])
    st.dataframe(table, hide_index=True, width="stretch", column_config=formats, alt="Evaluations")
    st.page_link(frame.EVALUATION, label="Open in Evaluation", query_params=query, icon=":material/arrow_forward:")


def _evaluation(run: Run, found: Evaluation) -> dict[str, object]:
    model = run_models.model_with(run, found.model_sha256)
    threshold = model[1].threshold if model else None
    folder = evaluations.folder_of(run, found.id)
    measured = None if threshold is None else metrics.measure(folder, found, threshold)
    point = measured.point if measured else None
    rates = (point.miss_rate, point.low, point.high) if point else (None, None, None)
    columns = zip(("Miss rate", "From", "To"), rates, strict=True)
    return {
        "Evaluation": evaluation_picker.name_of(found), "Words": found.words, "Hours": found.hours,
        "Threshold": threshold, **{name: None if rate is None else 100 * rate for name, rate in columns},
        "False accepts per hour": point_text.per_hour(point.false_accepts if point else None, found.hours),
    }  # fmt: skip


def open_configuration() -> None:
    """Leave for the Configuration page. Without `query_params` Streamlit refuses while a widget is in the address."""
    st.switch_page(frame.CONFIGURATION, query_params={})


def fine_tune(workspace: Workspace, run: Run, start_from: str) -> None:
    """Open the Configuration page with a training that goes on from a model of the run, as edits of the run's own."""
    try:
        config = hard_negatives.retraining_config(config_file.load(run.config_file), start_from)
        loaded = draft.load(workspace, Source("run", run.id))
    except (ValueError, OSError) as error:
        st.error(plain(str(error)))
        return
    editing.take(workspace, replace(loaded, values=option_list.values(config)))
    open_configuration()
