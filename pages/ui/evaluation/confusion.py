"""The validation result of one epoch: its rates, and the counts behind them."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.shared import numbers
from pages.ui.shared.numbers import Number
from trainer.run.metrics import Row

COUNTS = ("true_positives", "false_negatives", "false_positives", "true_negatives")


def rate_numbers(row: Row) -> list[Number]:
    """The rates of an epoch row."""
    return [
        Number("Best epoch", str(row.get("epoch", numbers.NONE_YET)), "By the measure of `training.best_by`."),
        Number("Val loss", numbers.loss(row.get("val_loss"))),
        Number("Val accuracy", numbers.percent(row.get("val_accuracy"))),
        Number("F1", numbers.percent(row.get("f1")), numbers.F1_HELP),
        Number("FPR", numbers.percent(row.get("fpr")), numbers.FPR_HELP),
        Number("FNR", numbers.percent(row.get("fnr")), numbers.FNR_HELP),
    ]


def matrix(row: Row) -> pd.DataFrame | None:
    """Windows by what they are and what the model said; None when the row has no counts."""
    counts = [row.get(name) for name in COUNTS]
    if not all(isinstance(count, int) for count in counts):
        return None
    hit, miss, alarm, right = counts
    return pd.DataFrame(
        {"said: word": [hit, alarm], "said: not the word": [miss, right]}, index=["is the word", "is not the word"]
    ).rename_axis("validation window")


def show(row: Row) -> None:
    """Draw the rates and the confusion matrix of an epoch row."""
    numbers.show(rate_numbers(row))
    table = matrix(row)
    st.subheader("Confusion matrix", anchor=False)
    if table is None:
        st.caption("This run did not record counts.")
    else:
        st.table(table, width="content", alt="Confusion matrix of the validation windows")
