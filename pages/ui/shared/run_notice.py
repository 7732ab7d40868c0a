"""Notices about a run: its state in one line, what to do next, and the card of a failed run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from pages.ui.shared.frame import plain
from trainer.run import failures, run_queue, runs
from trainer.run.documents import Progress
from trainer.run.runs import Status
from trainer.run.state import SILENT_SECONDS, State
from trainer.system import log_lines
from trainer.system.log_lines import clock_time

Tone = Literal["error", "warning", "success", "info"]

TRAINING_STATES: frozenset[State] = frozenset({"running", "pausing", "stopping"})


@dataclass(frozen=True)
class Notice:
    """What a person must know about a run beyond its numbers; `text` may hold foreign text."""

    tone: Tone
    text: str


def state_word(state: State) -> str:
    """The state as users read it."""
    return state.capitalize()


def _unresponsive(status: Status) -> Notice:
    known = status.progress is not None and status.progress.attempt == status.attempt
    heard = f"for {max(0.0, status.silent_seconds or 0.0):.0f} s" if known else "yet"
    return Notice(
        "warning",
        f"The training process is alive but has not been heard of {heard} and uses no processor time: it may be "
        "suspended, or wait for a disk. Wait, or press Stop Training with “now”: if it still does not answer, it is "
        f"ended after {SILENT_SECONDS:.0f} s.",
    )


def _queued(status: Status) -> Notice:
    """The place in the queue, why it waits and, where that can be told, until when."""
    found = run_queue.position(status.run.workspace, status.run)
    if found is None or not status.run.process_file.exists():
        return Notice("info", "The run is starting.")
    seconds, end = run_queue.start_seconds(found), run_queue.end_seconds(found, status)
    if seconds is None:
        until = " When its turn comes is unknown."
    elif end is None:
        until = f" Its turn comes in about {clock_time(seconds)} (estimate)."
    else:
        until = f" Its turn comes in about {clock_time(seconds)}, its end in about {clock_time(end)} (estimates)."
    place = "Next in the queue" if found.place == 1 else f"Number {found.place} in the queue"
    text = f"{place}. {run_queue.wait_sentence(found)}{until} It starts by itself, without a browser too."
    return Notice("info", text)


def _stopping(status: Status) -> Notice | None:
    """When it will have stopped; what is being done where that takes longer than a batch."""
    if runs.wish(status.run, status.attempt) == "stop":
        return Notice("info", "The training stops after this batch and saves itself.")
    return Notice(
        "info", "The training stops after this epoch. Resume takes that back; Stop Training with “now” is faster."
    )


def notice(status: Status) -> Notice | None:
    """What to say about the state of a run; None when its numbers say enough."""
    reason = status.outcome.reason if status.outcome else ""
    match status.state:
        case "failed":
            return Notice("error", f"{reason} The stack trace, if there is one, is in the log below.")
        case "lost":
            return Notice(
                "error",
                "The training process is gone and left no last word (a power cut, or it was killed). "
                "Its metrics, log and checkpoints are kept.",
            )
        case "damaged":
            file = status.run.outcome_file if status.request else status.run.request_file
            return Notice(
                "error",
                f"{file} cannot be read, so it cannot be told how this run stands. Its checkpoints are kept: a new "
                f"run can go on from its best model, with training.start_from: {status.run.id}.",
            )
        case "unknown":
            return Notice("warning", failures.explain_unknown(status))
        case "unresponsive":
            return _unresponsive(status)
        case "completed":
            return Notice("success", reason)
        case "stopped" | "paused":
            return Notice("info", f"{reason} Resume goes on from there.")
        case "queued":
            return _queued(status)
        case "pausing":
            return Notice("info", "The training saves itself after this batch and leaves its device.")
        case "stopping":
            return _stopping(status)
    return _doing(status.progress, status.attempt)


def _doing(progress: Progress | None, attempt: int) -> Notice | None:
    """Work between epochs or before the first, which moves none of the numbers."""
    if progress is None or progress.attempt < attempt or progress.phase == "starting":
        return Notice("info", "Starting: the training process loads its libraries.")
    if not progress.doing:
        return None
    match progress.phase:
        case "preparing":
            return Notice("info", f"Preparing. {progress.doing}")
        case "mining":
            return Notice("info", f"Mining. {progress.doing}")
        case "validating":
            return Notice("info", f"Validating. {progress.doing}")
        case "ended":
            return Notice("info", f"{progress.doing}.")
    return None


FAILED: frozenset[State] = frozenset({"failed", "lost"})
LOG_LINES = 6


def show_failure(status: Status) -> None:
    """Draw it for a run in one of `FAILED`."""
    found = notice(status)
    st.error(plain(found.text if found else ""))
    if tips := failures.advice(status):
        st.markdown("\n".join(["**What to try**", *[f"1. {plain(tip)}" for tip in tips]]))
    if lines := log_lines.last_lines(status.run.log_file, LOG_LINES):
        st.code("\n".join(lines), language=None, wrap_lines=True)
