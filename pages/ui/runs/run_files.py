"""The files of a run: checkpoints, evaluations, disk usage, the list of files, and packing a run into one zip."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.configuration import draft, editing
from pages.ui.configuration.draft import Source
from pages.ui.evaluation import evaluation_picker
from pages.ui.shared import flash, frame, job_progress, metrics
from pages.ui.shared.frame import plain
from trainer.catalog import disk, reading
from trainer.config import config_file, option_list
from trainer.detector import detector_file
from trainer.evaluation import evaluations, hard_negatives, point_text
from trainer.evaluation.evaluations import Evaluation
from trainer.run import archive, earlier_run, models
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system import durable, regular_file
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

MOST_FILES = 1000
SIZE = st.column_config.NumberColumn(format="bytes")
UNPACK_COMMAND = "python -m trainer unpack FILE.zip"


def megabytes(size: int) -> str:
    """A size in bytes as MB, or as GB from 1 GB on."""
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def show_disk_usage(run: Run) -> None:
    """Disk usage by kind, and what can be deleted."""
    used = reading.disk_usage(run)
    kinds = ("checkpoints", "model", "evaluation", "logs", "other")
    parts = [f"{kind} {megabytes(getattr(used, kind))}" for kind in kinds if getattr(used, kind)]
    st.markdown(f"**{megabytes(used.total)}** on disk: {', '.join(parts) or 'nothing'}.")
    key = f"freeable_{run.id}"
    if st.toggle("Show what can be deleted", key=key, help="Reads the checkpoints first, to keep the last intact one."):
        try:
            _offer(run, disk.freeable(run))
        except (ValueError, OSError) as error:
            st.info(plain(str(error)))


def _offer(run: Run, freeable: disk.Freeable) -> None:
    if not freeable.files:
        st.info("Nothing to delete: every checkpoint is still needed.")
        return
    names = ", ".join(path.name for path in freeable.files if path.suffix != ".json")
    st.markdown(f"To delete: {plain(names)}. To keep: {plain(', '.join(freeable.kept))}.")
    st.button(
        f"Free {megabytes(freeable.size_bytes)}", type="primary", key=f"free_{run.id}", on_click=_free, args=(run,)
    )


def _free(run: Run) -> None:
    flash.attempt("runs", lambda: f"Freed {megabytes(disk.free(run).size_bytes)} of run {run.id}.")


def _file(workspace: Workspace, run: Run) -> Path:
    """The zip into which the page packs a run."""
    return workspace.uploads.parent / "packed" / f"{run.id}.zip"


def show_pack(workspace: Workspace, run: Run) -> None:
    """Draw the button that packs the run, and the download of the zip."""
    file, busy = _file(workspace, run), bool(job_progress.running(workspace, ("pack",)))
    job_progress.show(workspace, ("pack",))
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Pack again" if file.exists() else "Pack into one file"
        st.button(
            label,
            icon=":material/folder_zip:",
            on_click=_pack,
            args=(workspace, run),
            disabled=busy,
            help="A zip with every file of the run and its digest, to import on another machine.",
        )
        if file.exists() and not busy:
            size = megabytes(file.stat().st_size)
            st.download_button(
                f"Download ({size})",
                lambda: regular_file.open_binary(file),
                file.name,
                "application/zip",
                on_click="ignore",
                type="primary",
            )
            st.caption(f"Saved as `{file}`.")


def _pack(workspace: Workspace, run: Run) -> None:
    file = _file(workspace, run)
    if flash.attempt(job_progress.PLACE, lambda: file.parent.mkdir(parents=True, exist_ok=True)):
        job_progress.start(workspace, "pack", [run.id, str(file)])


def show_unpack(workspace: Workspace) -> None:
    """Import a run that was packed elsewhere."""
    with st.popover("Import a run", icon=":material/upload_file:"):
        st.caption(
            "A zip from Pack into one file or `python -m trainer pack`. Every file is checked against its digest. "
            f"If the zip is too large to upload: `{UNPACK_COMMAND}`"
        )
        key = f"imported_{st.session_state.get('imported', 0)}"
        upload = st.file_uploader("Packed run", ["zip"], key=key)
        st.button("Import", type="primary", disabled=upload is None, on_click=_unpack, args=(workspace, key))


def _unpack(workspace: Workspace, key: str) -> None:
    upload = st.session_state.get(key)
    if upload is None:
        return

    def unpack() -> str:
        return archive.sentence(archive.unpack(workspace, upload, lambda done, total, doing: None))

    flash.attempt("runs", unpack)
    st.session_state["imported"] = st.session_state.get("imported", 0) + 1  # clears the field


def file_facts(path: Path) -> tuple[int, str] | None:
    """The size and change time of a file; None when it no longer exists, because a training deletes some."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, datetime.fromtimestamp(stat.st_mtime).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def show_files(run: Run) -> None:
    """A table of the files of the run with their sizes; links are not followed."""
    files = sorted(path for path in run.folder.rglob("*") if path.is_file() and not path.is_symlink())
    rows = [
        {"File": str(path.relative_to(run.folder)), "Size": facts[0], "Changed": facts[1]}
        for path in files[:MOST_FILES]
        if (facts := file_facts(path))
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config={"Size": SIZE}, alt="Files")
    more = (
        f"The first {MOST_FILES:,} of {len(files):,} files, in"
        if len(files) > MOST_FILES
        else f"{counted(len(files), 'file')} in"
    )
    st.caption(f"{more} {plain(str(run.folder))}")


def show_checkpoints(workspace: Workspace, run: Run) -> None:
    """The checkpoints, and the buttons that export or fine-tune the chosen one."""
    every = models.checkpoints(run)
    if not every:
        st.info("This run has no checkpoints. A run saves one after each finished epoch.")
        return
    best = durable.read_document(Best, run.checkpoints / "best.json")
    table = pd.DataFrame([_checkpoint(run, name, best) for name in every])
    st.dataframe(table, hide_index=True, width="stretch", column_config={"Size": SIZE}, alt="Checkpoints")
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
            help="Opens a configuration that continues from this checkpoint: fewer epochs, lower learning rate.",
        )
    if fine_tuned:
        fine_tune(workspace, run, earlier_run.name_of(run, chosen))


def _checkpoint(run: Run, name: str, best: Best | None) -> dict[str, object]:
    epoch, whole = models.epoch_of(name)
    size, saved = file_facts(run.checkpoints / name) or (None, None)
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
        **{name: metrics.in_percent(rate) for name, rate in columns},
        "False accepts per hour": point_text.per_hour(point.false_accepts if point else None, evaluation.hours),
    }


def open_configuration() -> None:
    """Switch to the Configuration page with its fields unfolded.

    Without `query_params` Streamlit refuses while a widget is in the address.
    """
    st.session_state[editing.UNFOLDED] = True
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
