"""Metrics of a run: one label, one value and its help, the same on every page."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from pages.ui.shared import history
from pages.ui.shared.frame import DATASET, EVALUATION, plain
from pages.ui.shared.run_notice import TRAINING_STATES, state_word
from trainer.evaluation import headline, operating_point, point_text
from trainer.evaluation.evaluations import Evaluation, EvaluationFolder
from trainer.evaluation.operating_point import Measured, OperatingPoint
from trainer.run import models
from trainer.run.documents import Progress
from trainer.run.runs import Status
from trainer.run.state import ACTIVE
from trainer.system.log_lines import clock_time

NONE_YET = "–"
AFTER_EPOCH = "after epoch 1"
PER_WINDOW = "A rate per validation window of the last epoch, not per hour of audio."
FPR_HELP = f"Share of validation windows without the word that score at least 0.5 (false alarms). {PER_WINDOW}"
FNR_HELP = f"Share of validation windows with the word that score below 0.5 (misses). {PER_WINDOW}"
F1_HELP = f"Harmonic mean of precision and recall at threshold 0.5. {PER_WINDOW}"


@dataclass(frozen=True)
class Metric:
    """One metric; `below` is a second, smaller line."""

    label: str
    value: str
    help: str = ""
    below: str = ""


def in_percent(rate: object, digits: int = 1) -> float | None:
    """A rate as the number that a table shows, rounded as sentences round it: the browser rounds halves up.

    None for what is not a number.
    """
    return round(100 * rate, digits) if isinstance(rate, (int, float)) else None


def percent(rate: float | None, missing: str = NONE_YET) -> str:
    return missing if rate is None else f"{100 * rate:.2f} %"


def loss(value: float | None, missing: str = NONE_YET) -> str:
    return missing if value is None else f"{value:.4f}" if abs(value) < 1000 else f"{value:.3g}"


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 60 else clock_time(value)


def _of(done: int, total: int, missing: str) -> str:
    return f"{done:,}/{total:,}" if total else missing


def _devices(reading: dict[str, Any] | None, missing: str) -> list[Metric]:
    """GPU, or CPU and RAM on a machine without one; no values while no training runs."""
    if reading is None:
        return [Metric("GPU", missing)]
    if reading.get("gpu_name"):
        load, used, total = (reading.get(f"gpu_{name}") for name in ("percent", "memory_used", "memory_total"))
        memory = f"{used / 1e9:.1f} of {gigabytes(total)}" if used is not None and total is not None else ""
        text = "load unknown" if load is None else f"{load:.0f} %"
        return [Metric("GPU", text, f"Utilisation and memory of {reading['gpu_name']}.", memory)]
    ram = f"{reading['memory_used'] / 1e9:.1f} of {gigabytes(reading['memory_total'])}"
    load, below = "Load of all CPU cores of the machine that trains", "by all processes"
    if cpus := reading.get("cpus"):
        load += f", of which its container may use {cpus:g}"
    if reading.get("memory_limited"):
        ram, below = f"{ram} (limit)", "by all processes in its container, and its limit"
    return [
        Metric("GPU", "none", "This training runs on the CPU."),
        Metric("CPU", f"{reading['cpu_percent']:.0f} %", f"{load}."),
        Metric("RAM", gigabytes(reading["process_memory"]), f"Used by the training process. Below: used {below}.", ram),
    ]


def _pending(status: Status | None) -> tuple[str, str]:
    """What stands in place of a value of the first batch, and of the first epoch, before a run has come so far."""
    if status is None or status.state not in {"queued", *TRAINING_STATES}:
        return NONE_YET, NONE_YET
    progress = status.progress
    if progress and progress.last_epoch:
        return NONE_YET, NONE_YET
    phase = (progress.phase if progress else "") or "starting"
    return "queued" if status.state == "queued" else phase, AFTER_EPOCH


def progress_metrics(status: Status | None) -> list[Metric]:
    """State and progress of a run, in the order shown; without a run, placeholders."""
    state = status.state if status else None
    reported = status.progress if status else None
    progress = reported or Progress(attempt=1, beat=0, phase="")
    last = progress.last_epoch or {}
    speed = progress.clips_per_second if state in TRAINING_STATES else None
    eta = progress.eta_seconds if state == "running" and progress.phase not in ("starting", "preparing") else None
    first_batch, first_epoch = _pending(status)
    return [
        Metric("Status", state_word(state) if state else NONE_YET),
        Metric("Epoch", _of(progress.epoch, progress.epochs, first_batch)),
        Metric("Batch", _of(progress.batch, progress.batches, first_batch)),
        Metric("Elapsed", clock_time(progress.elapsed_seconds if reported else None)),
        Metric("ETA", clock_time(eta), "Remaining time for all epochs. Early stopping may end the run sooner."),
        Metric("Speed", first_batch if speed is None else f"{speed:,.0f} clips/s", "Training windows per second."),
        Metric("Train loss", loss(progress.train_loss, first_batch), "Mean over the batches of this epoch so far."),
        Metric("Val loss", loss(last.get("val_loss"), first_epoch), "On the validation split, after the last epoch."),
        *_devices(progress.reading if state in ACTIVE else None, first_batch),
    ]


def window_rates(status: Status | None) -> list[Metric]:
    """Rates per window of the current epoch and the last one."""
    progress = status.progress if status else None
    last = (progress.last_epoch if progress else None) or {}
    trained = progress.train_accuracy if progress else None
    first_batch, first_epoch = _pending(status)
    return [
        Metric("Train accuracy", percent(trained, first_batch), "Over the batches of this epoch so far."),
        Metric("Val accuracy", percent(last.get("val_accuracy"), first_epoch), f"At threshold 0.5. {PER_WINDOW}"),
        Metric("FPR", percent(last.get("fpr"), first_epoch), FPR_HELP),
        Metric("FNR", percent(last.get("fnr"), first_epoch), FNR_HELP),
    ]


def best_metrics(status: Status | None) -> list[Metric]:
    """The metrics of the best epoch so far."""
    best = status.progress.best if status and status.progress else None
    return [
        Metric(
            "Best epoch",
            str(best.epoch) if best else _pending(status)[1],
            f"The best epoch so far, by {models.describe_measure(best.by if best else None)}.",
        ),
        Metric("Best val loss", loss(best.val_loss if best else None)),
        Metric("Best val accuracy", percent(best.val_accuracy if best else None), PER_WINDOW),
    ]


def show(metrics: list[Metric], least_width: int = 120, columns: int | Literal["auto"] = "auto") -> None:
    """Draw metrics as a grid with as many columns as fit, at most `columns`."""
    with st.grid(columns, min_column_width=least_width, gap="xsmall"):
        for metric in metrics:
            st.metric(
                metric.label,
                metric.value,
                metric.below or None,
                delta_color="off",
                delta_arrow="off",
                help=metric.help or None,
            )


MISS_HELP = "Share of words that the model misses at its threshold. Below: the 95 % interval, if known."
ACCEPTS_HELP = (
    "How often the model wakes without the word, at its threshold. Below: the count and the hours of audio. With none "
    "in H hours, the rate is below 3/H per hour with 95 % confidence."
)


@st.cache_data(max_entries=200, show_spinner="Reading the evaluation")
def _measured(path: str, stamps: tuple[int, ...], heard: tuple[float, ...], _evaluation: Evaluation) -> Measured | None:
    return operating_point.measure(EvaluationFolder(Path(path)), _evaluation, heard[0])


def measure(folder: EvaluationFolder, evaluation: Evaluation, threshold: float) -> Measured | None:
    """`operating_point.measure`, cached for all browsers until its files change."""
    files = (folder.document_file, folder.streams_file, folder.tracks_file)
    try:
        stamps = tuple(file.stat().st_mtime_ns for file in files)
    except OSError:
        return None
    heard = (threshold, evaluation.smoothing_seconds, evaluation.refractory_seconds)
    return _measured(str(folder.path), stamps, heard, evaluation)


def point_of_run(status: Status | None) -> OperatingPoint | None:
    return operating_point.of_run(status, measure, history.epoch_row) if status else None


def point_metrics(point: OperatingPoint | None) -> list[Metric]:
    """The three metrics of the operating point, the same on every page."""
    accepts = point_text.in_hours(point.false_accepts, point.hours) if point else ""
    return [
        Metric("Threshold", point_text.threshold(point), "The model fires when the smoothed score reaches this value."),
        Metric("Miss rate", point_text.miss_rate(point), MISS_HELP, point_text.bounds(point)),
        Metric("False accepts per hour", point_text.false_accepts_per_hour(point), ACCEPTS_HELP, accepts),
    ]


COLOURS = {"good": "green", "usable": "blue", "not yet": "orange", "unknown": "gray"}
NEXT: dict[headline.Action, tuple[str, str, str]] = {
    "evaluate": ("Go to Evaluation", EVALUATION, "Streams"),
    "add speech": ("Add long recordings", DATASET, ""),
    "reduce false alarms": ("Show the false accepts", EVALUATION, "Streams"),
    "add recordings": ("Go to Dataset", DATASET, ""),
    "take it away": ("Get the model", EVALUATION, "Model"),
}
"""Where each action is done: the label of the link, the page, and its section."""


def show_headline(point: OperatingPoint | None, run: str, here: tuple[str, str]) -> None:
    """Draw the headline of a run with its verdict, and a link to the step that helps most, unless that is `here`."""
    shown = headline.of(point)
    if shown is None:
        return
    with st.container(border=True, key="headline"):
        st.markdown(f"**{plain(shown.text)}** :{COLOURS[shown.verdict]}-badge[{shown.verdict}]")
        st.caption(plain(shown.advice))
        label, page, section = NEXT.get(shown.action, ("", "", ""))
        if label and (page, section) != here:
            query = {"run": run} | ({"section": section} if section else {})
            st.page_link(page, label=label, icon=":material/arrow_forward:", query_params=query)


def show_point(point: OperatingPoint | None, run: str, here: tuple[str, str] = ("", "")) -> None:
    """Draw the headline, the metrics, and folded below them what they were measured on; `here` is the page and its
    section."""
    show_headline(point, run, here)
    show(point_metrics(point), least_width=145)
    measured = point is not None and point.measured_on is not None
    with st.expander("How this was measured") if measured else nullcontext():
        st.caption(plain(" ".join(point_text.sentences(point))))
