"""What is known of a run: where its results stand, what it was trained with and on, and by which versions."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import numbers
from pages.ui.numbers import NONE_YET, Number
from pages.ui.runs import columns
from trainer import documents, manifest
from trainer.documents import Processes
from trainer.log import clock_time
from trainer.run_list import fields
from trainer.run_list.row import Row
from trainer.runs import Status
from trainer.workspace import Workspace


def show(workspace: Workspace, status: Status, row: Row) -> None:
    numbers.show(results(row))
    with st.grid(2, min_column_width=340):
        for title, found in (("Facts", facts(workspace, row)), ("Made with", made_with(status, row))):
            table = pd.DataFrame(found.items(), columns=[title, ""])
            st.dataframe(table, hide_index=True, width="stretch", height="content", alt=title)


def results(row: Row) -> list[Number]:
    """The best epoch, and what it came to."""
    per_hour = row.false_accepts_per_hour
    rate = "" if per_hour is None else f" At {per_hour:g} false accepts per hour at most."
    duration = row.duration_seconds
    return [
        Number("State", columns.state_word(row)),
        Number("Epochs", f"{row.epoch:,}/{row.epochs:,}" if row.epochs else NONE_YET),
        Number("Best epoch", NONE_YET if row.best_epoch is None else f"{row.best_epoch:,}"),
        Number("Best val loss", numbers.loss(row.val_loss)),
        Number("Accuracy", numbers.percent(row.accuracy), columns.BEST),
        Number("FPR", numbers.percent(row.fpr), columns.BEST),
        Number("FNR", numbers.percent(row.fnr), columns.BEST),
        Number("F1", numbers.percent(row.f1), columns.BEST),
        Number("Miss rate", numbers.percent(row.miss_rate), f"In the newest evaluation.{rate}"),
        Number("Stream misses", numbers.percent(row.stream_miss_rate), f"In the validation stream.{rate}"),
        Number("Duration", clock_time(duration), "What was trained, without pauses."),
    ]


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
    process = documents.read(Processes, status.run.process_file)
    reading = (status.progress.reading if status.progress else None) or {}
    versions = status.request.versions if status.request else {}
    return {
        "Machine": process.host if process else NONE_YET,
        "Device": row.device or NONE_YET,
        "GPU": str(reading.get("gpu_name") or NONE_YET),
        "Attempts": str(row.attempt),
        **dict(sorted(versions.items())),
    }
