"""Tables that several pages show: runs, and the options that differ between configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.shared import frame, history, metrics
from pages.ui.shared.run_notice import state_word
from trainer.config import option_list
from trainer.config.option_list import Option, Values, options
from trainer.evaluation import point_text
from trainer.run import runs
from trainer.run.metrics import Row
from trainer.run.runs import Status

NONE = "–"


def show_differences(configurations: Mapping[str, Values], key: str | None = None) -> None:
    """Draw the table, with a column for each configuration, or say that there is no difference."""
    rows = difference_table(configurations)
    if len(rows):
        st.dataframe(rows, hide_index=True, width="stretch", alt="Options that differ", key=key)
    else:
        st.success("No differences: every option has the same value.")


def option_label(option: Option) -> str:
    """The label of an option with its unit."""
    return f"{option.label} ({option.unit})" if option.unit else option.label


def difference_table(configurations: Mapping[str, Values]) -> pd.DataFrame:
    """One row for each option that differs, one column for each configuration."""
    labels = {option.key: option_label(option) for option in options()}
    rows = [
        {"Option": labels.get(key, key), "Name in files": key}
        | {name: option_list.shown(values[key]) if key in values else NONE for name, values in configurations.items()}
        for key in option_list.differing(configurations.values())
    ]
    return pd.DataFrame(rows, columns=["Option", "Name in files", *configurations])


RATES = ("F1", "FPR", "FNR")
WINDOW = "{} per window"
RATE_HELP = "At the best epoch, per validation window at threshold 0.5, not per hour of audio."


def started(status: Status) -> str:
    """When a run was created, in local time, from its id."""
    stamp = datetime.strptime(status.run.id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    return stamp.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def best_rates(status: Status) -> Row:
    """The epoch row of the best model; empty when there is none."""
    best = status.progress.best if status.progress else None
    return (history.epoch_row(status.run, best.epoch) if best else None) or {}


def _row(status: Status) -> dict[str, Any]:
    document, rates, point = runs.document(status), best_rates(status), metrics.point_of_run(status)
    return {
        "State": state_word(status.state),
        "Name": status.label,
        "Configuration": status.request.config_name if status.request else None,
        "Started": started(status),
        "Epochs": f"{document['epoch']}/{document['epochs']}",
        "Best epoch": rates.get("epoch"),
        "Miss rate": point_text.miss_rate(point),
        "False accepts per hour": point_text.false_accepts_per_hour(point),
        "Measured on": point_text.measured_on(point),
        "Val loss": rates.get("val_loss"),
        **{name: metrics.in_percent(rates.get(name.lower()), 2) for name in RATES},
        "Folder": document["folder"],
    }


def run_rows(statuses: Sequence[Status]) -> pd.DataFrame:
    """One row per run, with the metrics of its best epoch; rates in percent."""
    return pd.DataFrame([_row(status) for status in statuses])


def show_runs(statuses: Sequence[Status], key: str) -> None:
    """Draw the table; a selected row shows links to that run."""
    columns = {"Val loss": st.column_config.NumberColumn(format="%.4f", help="At the best epoch.")}
    columns |= {
        name: st.column_config.NumberColumn(WINDOW.format(name), format="%.2f %%", help=RATE_HELP) for name in RATES
    }
    chosen = st.dataframe(
        run_rows(statuses),
        hide_index=True,
        width="stretch",
        column_config=columns,
        on_select="rerun",
        selection_mode="single-row",
        key=key,
        placeholder="–",
        alt="Runs, newest first",
    )
    rows = chosen["selection"]["rows"]
    if rows and rows[0] < len(statuses):
        show_links(statuses[rows[0]])


def show_links(status: Status) -> None:
    """Links to one run."""
    query = {"run": status.run.id}
    with st.container(horizontal=True):
        st.page_link(frame.TRAINING, label=f"Open {frame.plain(status.label)} in Training", query_params=query)
        st.page_link(frame.EVALUATION, label="Evaluation", query_params=query)
