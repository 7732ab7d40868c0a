"""The operating point of a run on a page: threshold, miss rate and false accepts, and what they were measured on."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.shared import history, numbers
from pages.ui.shared.frame import plain
from pages.ui.shared.numbers import Number
from trainer.evaluation import operating_point, point_text
from trainer.evaluation.evaluations import Evaluation, EvaluationFolder
from trainer.evaluation.operating_point import Measured, OperatingPoint
from trainer.run.runs import Status

MISS_HELP = "Share of the words that the model misses at its threshold. Below: the 95 % interval, where it is known."
ACCEPTS_HELP = (
    "How often the model wakes for something else at its threshold. Below: the count and its hours. None in H hours "
    "means below 3/H per hour with 95 % confidence."
)


@st.cache_data(max_entries=200, show_spinner=False)
def _measured(path: str, stamps: tuple[int, ...], threshold: float, _evaluation: Evaluation) -> Measured | None:
    return operating_point.measure(EvaluationFolder(Path(path)), _evaluation, threshold)


def measure(folder: EvaluationFolder, evaluation: Evaluation, threshold: float) -> Measured | None:
    """As `operating_point.measure`, once for all browsers while its files stay as they are."""
    files = (folder.document_file, folder.streams_file, folder.tracks_file)
    try:
        stamps = tuple(file.stat().st_mtime_ns for file in files)
    except OSError:
        return None
    return _measured(str(folder.path), stamps, threshold, evaluation)


def of_run(status: Status | None) -> OperatingPoint | None:
    return operating_point.of_run(status, measure, history.epoch_row) if status else None


def values(point: OperatingPoint | None) -> list[Number]:
    """The three numbers of a run, the same on every page."""
    accepts = point_text.in_hours(point.false_accepts, point.hours) if point else ""
    return [
        Number("Threshold", point_text.threshold(point), "The smoothed score from which on the model fires."),
        Number("Miss rate", point_text.miss_rate(point), MISS_HELP, point_text.bounds(point)),
        Number("False accepts per hour", point_text.false_accepts_per_hour(point), ACCEPTS_HELP, accepts),
    ]


def show(point: OperatingPoint | None) -> None:
    """Draw the numbers, and below them what they were measured on."""
    numbers.show(values(point), least_width=170)
    st.caption(plain(" ".join(point_text.sentences(point))))
