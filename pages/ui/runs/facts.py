"""What is known of a run: where its results stand, what it was trained with and on, and by which versions."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.runs import columns
from pages.ui.shared import numbers, operating_point
from pages.ui.shared.numbers import NONE_YET, Number
from trainer.audio import manifest
from trainer.catalog import fields
from trainer.catalog.row import Row, option, point_of
from trainer.run import best_model
from trainer.run.documents import Processes
from trainer.run.runs import Status
from trainer.system import document_file
from trainer.system.log import clock_time
from trainer.system.workspace import Workspace


def show(workspace: Workspace, status: Status, row: Row) -> None:
    numbers.show(results(row))
    operating_point.show(point_of(row))
    with st.expander("Details", expanded=True):
        st.caption(columns.BEST)
        numbers.show(window_rates(row))
    with st.grid(2, min_column_width=340):
        for title, found in (("Facts", facts(workspace, row)), ("Made with", made_with(status, row))):
            table = pd.DataFrame(found.items(), columns=[title, ""])
            st.dataframe(table, hide_index=True, width="stretch", height="content", alt=title)


def results(row: Row) -> list[Number]:
    """How far it came, and its best epoch."""
    duration, measured_by = row.duration_seconds, best_model.measure(option(row, "training.best_by"))
    return [
        Number("State", columns.state_word(row)),
        Number("Epochs", f"{row.epoch:,}/{row.epochs:,}" if row.epochs else NONE_YET),
        Number("Best epoch", NONE_YET if row.best_epoch is None else f"{row.best_epoch:,}", f"By {measured_by}."),
        Number("Best val loss", numbers.loss(row.val_loss)),
        Number("Duration", clock_time(duration), "What was trained, without pauses."),
    ]


def window_rates(row: Row) -> list[Number]:
    """Rates per window of the best epoch."""
    rates = {"Accuracy": row.accuracy, "FPR": row.fpr, "FNR": row.fnr, "F1": row.f1}
    return [Number(name, numbers.percent(rate), columns.BEST) for name, rate in rates.items()]


def _time(seconds: float | None) -> str:
    return NONE_YET if seconds is None else fields.local_time(seconds)


def _data(workspace: Workspace, row: Row) -> str:
    """The splits it was trained with, and whether they are those of now."""
    if not row.split:
        return NONE_YET
    same = row.split == manifest.fingerprint(workspace)
    return f"{row.split[:12]}, {'the splits as they are now' if same else 'other splits than those of now'}"


def facts(workspace: Workspace, row: Row) -> dict[str, str]:
    return {
        "Id": row.run,
        "Started": _time(row.started),
        "Ended": _time(row.ended),
        "Configuration": row.config or NONE_YET,
        "Preset": row.preset or NONE_YET,
        "Model": row.model or NONE_YET,
        "Splits": _data(workspace, row),
        "Tags": ", ".join(row.tags) or NONE_YET,
        "Note": row.note or NONE_YET,
        "Folder": str(workspace.runs / row.run),
    }


def made_with(status: Status, row: Row) -> dict[str, str]:
    """The machine and the versions."""
    process = document_file.read(Processes, status.run.process_file)
    reading = (status.progress.reading if status.progress else None) or {}
    versions = status.request.versions if status.request else {}
    return {
        "Machine": process.host if process else NONE_YET,
        "Device": row.device or NONE_YET,
        "GPU": str(reading.get("gpu_name") or NONE_YET),
        "Attempts": str(row.attempt),
        **dict(sorted(versions.items())),
    }
