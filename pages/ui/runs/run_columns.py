"""The columns of the table of runs: what each shows, which ones stand there in which order, and where that is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import BaseModel

from trainer.catalog import fields
from trainer.catalog.row import Row, point_of
from trainer.evaluation import point_text
from trainer.evaluation.operating_point import OperatingPoint
from trainer.system import document_file, durable
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

BEST = "Of the best epoch, per window of the validation split at threshold 0.5; not per hour of listening."
WRONG = "What is wrong"
Number = st.column_config.NumberColumn
Text = st.column_config.TextColumn


@dataclass(frozen=True)
class Column:
    """How a column of the table is filled and drawn."""

    of: Callable[[Row], Any]
    drawn: Any = None


def state_word(row: Row) -> str:
    """The state as users read it."""
    return row.state.capitalize()


def _percent(name: str, shown: str, told: str = BEST, digits: int = 2) -> Column:
    """A rate; `shown` heads its column."""
    place = Row._fields.index(name)

    def of(row: Row) -> float | None:
        value: float | None = row[place]  # type: ignore[assignment]
        return None if value is None else 100 * value

    return Column(of, Number(shown, format=f"%.{digits}f %%", help=told))


def _text(of: Callable[[OperatingPoint | None], str], told: str) -> Column:
    """Text of the operating point of a run."""
    return Column(lambda row: of(point_of(row)), Text(help=told))


def _started(row: Row) -> str | None:
    return None if row.started is None else fields.local_time(row.started)


def _epochs(row: Row) -> str | None:
    return f"{row.epoch:,}/{row.epochs:,}" if row.epochs else None


COLUMNS: dict[str, Column] = {
    "State": Column(state_word),
    "Name": Column(lambda row: f"★ {row.label}" if row.starred else row.label, Text(width="medium")),
    "Tags": Column(lambda row: list(row.tags), st.column_config.ListColumn()),
    "Started": Column(_started),
    "Duration": Column(
        lambda row: None if row.duration_seconds is None else clock_time(row.duration_seconds),
        Text(help="What was trained, without pauses."),
    ),
    "Configuration": Column(lambda row: row.config),
    "Preset": Column(lambda row: row.preset),
    "Model": Column(lambda row: row.model),
    "Epochs": Column(_epochs),
    "Best epoch": Column(lambda row: row.best_epoch),
    "Val loss": Column(lambda row: row.val_loss, Number(format="%.4f", help="Of the best epoch.")),
    "Threshold": Column(lambda row: row.threshold, Number(format="%.4f", help="The model's own.")),
    "Miss rate": _percent("miss_rate", "Miss rate", "Words missed at that threshold.", 1),
    "False accepts per hour": _text(point_text.false_accepts_per_hour, "At that threshold."),
    "Measured on": _text(point_text.measured_on, "What miss rate and false accepts were measured on."),
    "Accuracy": _percent("accuracy", "Accuracy per window"),
    "FPR": _percent("fpr", "FPR per window"),
    "FNR": _percent("fnr", "FNR per window"),
    "F1": _percent("f1", "F1 per window"),
    "Stream misses": _percent(
        "stream_miss_rate",
        "Stream misses",
        "Words missed in the validation stream of the training at the false accepts per hour of its configuration.",
        1,
    ),
    "Loss": Column(lambda row: list(row.losses), st.column_config.LineChartColumn(help="Validation loss by epoch.")),
    "Size": Column(lambda row: row.size_bytes, Number(format="bytes", help="On disk.")),
    "Device": Column(lambda row: row.device),
    "Data": Column(lambda row: row.split[:8], Text(help="The fingerprint of the splits it was trained with.")),
    "Note": Column(lambda row: row.note, Text(width="medium")),
    "Version": Column(lambda row: row.version),
    "Torch": Column(lambda row: row.torch),
    "Id": Column(lambda row: row.run),
    WRONG: Column(lambda row: row.problem, Text(width="medium")),
}
SHOWN = (
    "State", "Name", "Tags", "Threshold", "Miss rate", "False accepts per hour", "Measured on", "Loss", "Val loss",
    "Epochs", "Started", "Duration", "Model", "Preset", "Size", "Device", "Data",
)  # fmt: skip
"""Unless somebody chose others."""


class _Chosen(BaseModel):
    """runs/.columns.json, written by the page: the columns in their order."""

    columns: list[str]


def _file(workspace: Workspace) -> Path:
    return workspace.runs / ".columns.json"


def chosen(workspace: Workspace) -> list[str]:
    """The columns that were chosen last, in any browser."""
    found = document_file.read(_Chosen, _file(workspace))
    known = [name for name in found.columns if name in COLUMNS] if found else []
    return list(dict.fromkeys(known)) or list(SHOWN)


def keep(workspace: Workspace, names: Sequence[str]) -> None:
    """Choose these from now on. Raises OSError."""
    durable.replace_json(_file(workspace), _Chosen(columns=list(names)).model_dump())


def table(rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """These columns of the rows; what is wrong with some is told behind the second."""
    shown = list(names)
    if any(row.problem for row in rows) and WRONG not in shown:
        shown.insert(2, WRONG)
    return pd.DataFrame({name: [COLUMNS[name].of(row) for row in rows] for name in shown})


def drawn() -> dict[str, Any]:
    """How Streamlit draws them."""
    return {name: column.drawn for name, column in COLUMNS.items() if column.drawn is not None}
