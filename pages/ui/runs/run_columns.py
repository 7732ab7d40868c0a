"""The columns of the table of runs: the values and format of each, and which ones the user has chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import BaseModel

from pages.ui.shared import metrics
from trainer.catalog import run_rows
from trainer.catalog.run_rows import Row, point_of
from trainer.evaluation import point_text
from trainer.evaluation.operating_point import OperatingPoint
from trainer.system import durable
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

BEST = "Best epoch, per window of the validation split at threshold 0.5; not per hour of listening."
PROBLEM = "Problem"
Number = st.column_config.NumberColumn
Text = st.column_config.TextColumn


@dataclass(frozen=True)
class Column:
    """The value of a column for a row, and its format."""

    of: Callable[[Row], Any]
    drawn: Any = None


def state_word(row: Row) -> str:
    """The state as users read it."""
    return row.state.capitalize()


def _percent(name: str, shown: str, help_text: str = BEST, digits: int = 2) -> Column:
    """A rate; `shown` heads its column."""
    place = Row._fields.index(name)

    def of(row: Row) -> float | None:
        value: float | None = row[place]  # type: ignore[assignment]
        return metrics.in_percent(value, digits)

    return Column(of, Number(shown, format=f"%.{digits}f %%", help=help_text))


def _text(of: Callable[[OperatingPoint | None], str], help_text: str) -> Column:
    """Text from the operating point of a run."""
    return Column(lambda row: of(point_of(row)), Text(help=help_text))


def _started(row: Row) -> str | None:
    return None if row.started is None else run_rows.local_time(row.started)


def _epochs(row: Row) -> str | None:
    return f"{row.epoch:,}/{row.epochs:,}" if row.epochs else None


COLUMNS: dict[str, Column] = {
    "State": Column(state_word),
    "Name": Column(lambda row: f"★ {row.label}" if row.starred else row.label, Text(width="medium")),
    "Tags": Column(lambda row: list(row.tags), st.column_config.ListColumn()),
    "Started": Column(_started),
    "Duration": Column(
        lambda row: None if row.duration_seconds is None else clock_time(row.duration_seconds),
        Text(help="Training time without pauses."),
    ),
    "Configuration": Column(lambda row: row.config),
    "Preset": Column(lambda row: row.preset),
    "Model": Column(lambda row: row.model),
    "Epochs": Column(_epochs),
    "Best epoch": Column(lambda row: row.best_epoch),
    "Val loss": Column(lambda row: row.val_loss, Number(format="%.4f", help="Best epoch.")),
    "Threshold": Column(lambda row: row.threshold, Number(format="%.4f", help="The threshold of the model.")),
    "Miss rate": _percent("miss_rate", "Miss rate", "Share of words missed at this threshold.", 1),
    "False accepts per hour": _text(point_text.false_accepts_per_hour, "At this threshold."),
    "Measured on": _text(point_text.measured_on, "The sound behind miss rate and false accepts."),
    "Accuracy": _percent("accuracy", "Accuracy per window"),
    "FPR": _percent("fpr", "FPR per window"),
    "FNR": _percent("fnr", "FNR per window"),
    "F1": _percent("f1", "F1 per window"),
    "Stream miss rate": _percent(
        "stream_miss_rate",
        "Stream miss rate",
        "Share of words missed in the validation stream, at the false accepts per hour set in the configuration.",
        1,
    ),
    "Loss": Column(lambda row: list(row.losses), st.column_config.LineChartColumn(help="Validation loss by epoch.")),
    "Size": Column(lambda row: row.size_bytes, Number(format="bytes", help="On disk.")),
    "Device": Column(lambda row: row.device),
    "Data": Column(lambda row: row.split[:8], Text(help="Fingerprint of the splits used for training.")),
    "Note": Column(lambda row: row.note, Text(width="medium")),
    "Version": Column(lambda row: row.version),
    "Torch": Column(lambda row: row.torch),
    "Id": Column(lambda row: row.run),
    PROBLEM: Column(lambda row: row.problem, Text(width="medium")),
}
SHOWN = (
    "State",
    "Name",
    "Tags",
    "Threshold",
    "Miss rate",
    "False accepts per hour",
    "Measured on",
    "Loss",
    "Val loss",
    "Epochs",
    "Started",
    "Duration",
    "Model",
    "Preset",
    "Size",
    "Device",
    "Data",
)
"""The default columns."""


class _Chosen(BaseModel):
    """runs/.columns.json: the chosen columns in order."""

    columns: list[str]


def _file(workspace: Workspace) -> Path:
    return workspace.runs / ".columns.json"


def chosen(workspace: Workspace) -> list[str]:
    """The columns chosen last, in any browser."""
    document = durable.read_document(_Chosen, _file(workspace))
    names = [name for name in document.columns if name in COLUMNS] if document else []
    return list(dict.fromkeys(names)) or list(SHOWN)


def save(workspace: Workspace, names: Sequence[str]) -> None:
    """Save the chosen columns. Raises OSError."""
    durable.replace_json(_file(workspace), _Chosen(columns=list(names)).model_dump())


def table(rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """These columns of the rows, with the problem column third where a row has a problem."""
    shown = list(names)
    if any(row.problem for row in rows) and PROBLEM not in shown:
        shown.insert(2, PROBLEM)
    return pd.DataFrame({name: [COLUMNS[name].of(row) for row in rows] for name in shown})


def drawn() -> dict[str, Any]:
    """The column configuration for Streamlit."""
    return {name: column.drawn for name, column in COLUMNS.items() if column.drawn is not None}
