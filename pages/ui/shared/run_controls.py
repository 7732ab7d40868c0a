"""The controls of one run: stop, pause, resume, extend, its place in the queue, and the slots of the devices."""

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
BEFORE_OBEYED = "Takes back what was wanted, unless it is done already."
RESUME_HELP = {
    "pausing": BEFORE_OBEYED,
    "stopping": BEFORE_OBEYED,
}


def show(workspace: Workspace, run: Run | None) -> None:
    """Draw the controls that fit the state of the run; without a run they wait for one."""
    status = runs.status(run) if run else None
    state = status.state if status else None
    st.segmented_control(
        "When to stop", ["after this epoch", "now"], default="after this epoch", required=True, key="stop_when",
        help="Either way the best model so far is kept, and the run can be resumed.",
    )  # fmt: skip
    st.button("Stop Training", on_click=_stop, args=(run,), disabled=state not in ACTIVE)
    st.button(
        "Pause", on_click=_pause, args=(run,), disabled=state not in PAUSABLE,
        help="Saves the training after this batch and frees its device. Resume works at any time, after a reboot too.",
    )  # fmt: skip
    st.button(
        "Resume", on_click=_resume, args=(run,), disabled=not _may_resume(status),
        help=RESUME_HELP.get(state or "", "Goes on from the last checkpoint, to the same result as without a break."),
    )  # fmt: skip
    if status and state == "completed" and _trained(status) < _most_epochs():
        _extend_form(status, _trained(status))
    _queue_form(workspace, status)


def _may_resume(status: Status | None) -> bool:
    """Whether there is something to go on from, or a wish that can still be taken back."""
    if status is None:
        return False
    taken_back = runs.wish(status.run, status.attempt) in ("pause", "stop_after_epoch")
    return status.state in RESUMABLE or (status.state in ACTIVE and taken_back)


def _stop(run: Run) -> None:
    flash.attempt(PLACE, lambda: launch.stop(run, now=st.session_state["stop_when"] == "now"))


def _pause(run: Run) -> None:
    flash.attempt(PLACE, lambda: launch.pause(run))


def _resume(run: Run) -> None:
    flash.attempt(PLACE, lambda: launch.resume(run))


def _trained(status: Status) -> int:
    return status.progress.epoch if status.progress else 1


def _most_epochs() -> int:
    """As many as a configuration allows."""
    return next(int(option.high) for option in options() if option.key == "training.epochs" and option.high)


def _extend_form(status: Status, trained: int) -> None:
    """More epochs for a run that is done. The field is another for each run and length: none keeps a value too low."""
    most, key = _most_epochs(), f"extend_{status.run.id}_{trained}"
    with st.popover("Extend"):
        st.caption(
            f"The run has had {trained:,} epochs. It goes on from there to as many as you say, its best model included "
            "in the comparison; the learning rate follows its schedule over all of them."
        )
        st.number_input("Epochs in all", trained + 1, most, min(2 * trained, most), key=key)
        st.button("Train on", type="primary", on_click=_extend, args=(status.run, key))


def _extend(run: Run, key: str) -> None:
    epochs = int(st.session_state[key])
    flash.attempt(PLACE, lambda: launch.extend(run, epochs))


def _queue_form(workspace: Workspace, status: Status | None) -> None:
    """The order of the queue, and how many runs may train on each device at once."""
    with st.popover("Queue"):
        _show_waiting(workspace)
        if status and status.state == "queued":
            st.caption("When shall this run come?")
            with st.container(horizontal=True):
                for place, label in (("first", "Next"), ("earlier", "Earlier"), ("later", "Later"), ("last", "Last")):
                    st.button(label, key=f"move_{place}", on_click=_move, args=(workspace, status.run, place))
        else:
            st.caption(
                "Runs that wait come one after the other, without a browser too. Those that train are not moved."
            )
        queue = run_queue.read(workspace)
        for device in dict.fromkeys((*devices.choices("auto"), "cpu")):
            key = f"slots_{device}"
            st.session_state[key] = queue.slots_of(device)
            st.number_input(
                f"Runs at a time on {devices.title(device)}", 1, MOST_SLOTS, key=key,
                on_change=functools.partial(_set_slots, workspace, device, key),
                help="Runs that train beside each other share its speed and its memory.",
            )  # fmt: skip


def _show_waiting(workspace: Workspace) -> None:
    """Who waits, in order."""
    names = [run_picker.name_of(run) for run in run_queue.waiting(workspace)]
    if not names:
        st.caption("Nobody waits. A run that is started while others train waits here, and comes by itself.")
    for place, name in enumerate(names, 1):
        st.markdown(f"{place}\\. {plain(name)}")


def _move(workspace: Workspace, run: Run, place: Place) -> None:
    flash.attempt(PLACE, lambda: run_queue.move(workspace, run, place))


def _set_slots(workspace: Workspace, device: str, key: str) -> None:
    flash.attempt(PLACE, lambda: run_queue.set_slots(workspace, device, int(st.session_state[key])))
