"""The controls of one run: stop, pause, resume, extend, its position in the queue, and the slots of the devices."""

from __future__ import annotations

import functools

import streamlit as st

from pages.ui.shared import flash, run_picker
from pages.ui.shared.frame import plain
from trainer.config.option_list import options
from trainer.run import launch, run_queue, runs
from trainer.run.run_queue import MOST_SLOTS, Place
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE, State
from trainer.system import devices
from trainer.system.workspace import Workspace

PLACE = "run"
"""The place of the flash messages of clicks that start or control a run."""
PAUSABLE: frozenset[State] = frozenset({"queued", "running", "unresponsive", "unknown"})
RESUMABLE: frozenset[State] = frozenset({"paused", "stopped", "failed", "lost", "unknown"})
CANCEL_HELP = "Cancels the pending stop or pause, if it has not happened yet."
RESUME_HELP = "Continues from the last checkpoint, with the same result as an uninterrupted run."


def show(workspace: Workspace, run: Run | None) -> None:
    """Draw the controls; those that do not fit the state of the run are disabled."""
    status = runs.status(run) if run else None
    state = status.state if status else None
    st.segmented_control(
        "When to stop",
        ["after this epoch", "now"],
        default="after this epoch",
        required=True,
        key="stop_when",
        help="Both keep the best model and let you resume the run.",
    )
    st.button("Stop Training", on_click=_stop, args=(run,), disabled=state not in ACTIVE)
    st.button(
        "Pause",
        on_click=_pause,
        args=(run,),
        disabled=state not in PAUSABLE,
        help="Saves a checkpoint after this batch and releases the device. Resume works later, even after a reboot.",
    )
    st.button(
        "Resume",
        on_click=_resume,
        args=(run,),
        disabled=not _may_resume(status),
        help=CANCEL_HELP if state in ("pausing", "stopping") else RESUME_HELP,
    )
    if status and state == "completed" and _trained(status) < _most_epochs():
        _extend_form(status, _trained(status))
    _queue_form(workspace, status)


def _may_resume(status: Status | None) -> bool:
    """Whether the run can continue, or has a pending stop or pause that can be cancelled."""
    if status is None:
        return False
    cancellable = runs.wanted(status.run, status.attempt) in ("pause", "stop_after_epoch")
    return status.state in RESUMABLE or (status.state in ACTIVE and cancellable)


def _stop(run: Run) -> None:
    flash.attempt(PLACE, lambda: launch.stop(run, now=st.session_state["stop_when"] == "now"))


def _pause(run: Run) -> None:
    flash.attempt(PLACE, lambda: launch.pause(run))


def _resume(run: Run) -> None:
    flash.attempt(PLACE, lambda: launch.resume(run))


def _trained(status: Status) -> int:
    return status.progress.epoch if status.progress else 1


def _most_epochs() -> int:
    """The largest number of epochs that a configuration allows."""
    return next(int(option.high) for option in options() if option.key == "training.epochs" and option.high)


def _extend_form(status: Status, trained: int) -> None:
    """The form that adds epochs to a completed run. Its key holds run and length, so that no outdated value remains."""
    most, key = _most_epochs(), f"extend_{status.run.id}_{trained}"
    with st.popover("Extend"):
        st.caption(
            f"This run has trained {trained:,} epochs. Extending continues it up to the total below. Its best model so "
            "far stays a candidate, and the learning-rate schedule covers all epochs."
        )
        st.number_input("Total epochs", trained + 1, most, min(2 * trained, most), key=key)
        st.button("Extend training", type="primary", on_click=_extend, args=(status.run, key))


def _extend(run: Run, key: str) -> None:
    epochs = int(st.session_state[key])
    flash.attempt(PLACE, lambda: launch.extend(run, epochs))


def _queue_form(workspace: Workspace, status: Status | None) -> None:
    """The order of the queue, and the number of concurrent runs per device."""
    with st.popover("Queue"):
        _show_waiting(workspace)
        if status and status.state == "queued":
            st.caption("Position of this run in the queue:")
            with st.container(horizontal=True):
                for place, label in (("first", "Next"), ("earlier", "Earlier"), ("later", "Later"), ("last", "Last")):
                    st.button(label, key=f"move_{place}", on_click=_move, args=(workspace, status.run, place))
        else:
            st.caption("Queued runs start one after another, even without a browser.")
        queue = run_queue.read(workspace)
        for device in dict.fromkeys((*devices.choices("auto"), "cpu")):
            key = f"slots_{device}"
            st.session_state[key] = queue.slots_of(device)
            st.number_input(
                f"Concurrent runs on {devices.title(device)}",
                1,
                MOST_SLOTS,
                key=key,
                on_change=functools.partial(_set_slots, workspace, device, key),
                help="Concurrent runs share the speed and memory of the device.",
            )


def _show_waiting(workspace: Workspace) -> None:
    """The queued runs, in order."""
    names = [run_picker.name_of(run) for run in run_queue.waiting(workspace)]
    if not names:
        st.caption("The queue is empty. A run that you start while others train waits here and starts automatically.")
    for place, name in enumerate(names, 1):
        st.markdown(f"{place}\\. {plain(name)}")


def _move(workspace: Workspace, run: Run, place: Place) -> None:
    flash.attempt(PLACE, lambda: run_queue.move(workspace, run, place))


def _set_slots(workspace: Workspace, device: str, key: str) -> None:
    flash.attempt(PLACE, lambda: run_queue.set_slots(workspace, device, int(st.session_state[key])))
