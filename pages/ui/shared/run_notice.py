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
    """A message about a run; `text` may hold text from files."""

    tone: Tone
    text: str


def state_word(state: State) -> str:
    """The state as users read it."""
    return state.capitalize()


def _unresponsive(status: Status) -> Notice:
    reported = status.progress is not None and status.progress.attempt == status.attempt
    silence = f"for {max(0.0, status.silent_seconds or 0.0):.0f} s" if reported else "yet"
    return Notice(
        "warning",
        f"The training process is alive but has not reported {silence} and uses no CPU time. It may be suspended or "
        "waiting for a disk. Wait, or click Stop Training with “now”: a process that still does not respond is killed "
        f"after {SILENT_SECONDS:.0f} s.",
    )


def _queued(status: Status) -> Notice:
    """The position in the queue, why the run waits and, if known, until when."""
    position = run_queue.position(status.run.workspace, status.run)
    if position is None or not status.run.process_file.exists():
        return Notice("info", "The run is starting.")
    seconds, end = run_queue.start_seconds(position), run_queue.end_seconds(position, status)
    if seconds is None:
        until = " Its start time is unknown."
    elif end is None:
        until = f" It starts in about {clock_time(seconds)} (estimate)."
    else:
        until = f" It starts in about {clock_time(seconds)} and ends in about {clock_time(end)} (estimates)."
    place = "Next in the queue" if position.place == 1 else f"Number {position.place} in the queue"
    text = f"{place}. {run_queue.wait_sentence(position)}{until} It starts automatically, even without a browser."
    return Notice("info", text)


def _stopping(status: Status) -> Notice | None:
    """When the run will stop."""
    if runs.wanted(status.run, status.attempt) == "stop":
        return Notice("info", "The training stops after this batch and saves a checkpoint.")
    return Notice(
        "info", "The training stops after this epoch. Resume cancels this; Stop Training with “now” stops at once."
    )


def notice(status: Status) -> Notice | None:
    """The notice about the state of a run; None when its metrics say enough."""
    reason = status.outcome.reason if status.outcome else ""
    match status.state:
        case "failed":
            return Notice("error", f"{reason} The stack trace, if there is one, is in the log below.")
        case "lost":
            return Notice(
                "error",
                "The training process ended without giving a reason (a power cut, or it was killed). "
                "Metrics, log and checkpoints are kept.",
            )
        case "damaged":
            file = status.run.outcome_file if status.request else status.run.request_file
            return Notice(
                "error",
                f"{file} cannot be read, so the state of this run is unknown. Its checkpoints are kept: to start a new "
                f"run from its best model, set training.start_from: {status.run.id}.",
            )
        case "unknown":
            return Notice("warning", failures.explain_unknown(status))
        case "unresponsive":
            return _unresponsive(status)
        case "completed":
            return Notice("success", reason)
        case "stopped" | "paused":
            return Notice("info", f"{reason} Click Resume to continue.")
        case "queued":
            return _queued(status)
        case "pausing":
            return Notice("info", "The training saves a checkpoint after this batch and releases its device.")
        case "stopping":
            return _stopping(status)
    return _doing(status.progress, status.attempt)


def _doing(progress: Progress | None, attempt: int) -> Notice | None:
    """The notice about work between epochs or before the first, which changes no metric."""
    if progress is None or progress.attempt < attempt or progress.phase == "starting":
        return Notice("info", "Starting: the training process is loading its libraries.")
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


def show(status: Status) -> None:
    """Draw the notice about the state of a run, if there is one; its text may come from a file."""
    message = notice(status)
    if status.state in FAILED:
        show_failure(status)
    elif message:
        {"error": st.error, "warning": st.warning, "success": st.success, "info": st.info}[message.tone](
            plain(message.text)
        )


def show_failure(status: Status) -> None:
    """Draw the card of a run in one of the states FAILED: why, what to try, and the last lines of its log."""
    message = notice(status)
    st.error(plain(message.text if message else ""))
    if tips := failures.advice(status):
        st.markdown("\n".join(["**What to try**", *[f"1. {plain(tip)}" for tip in tips]]))
    if lines := log_lines.last_lines(status.run.log_file, LOG_LINES):
        st.code("\n".join(lines), language=None, wrap_lines=True)
