"""The page of one run: its state, its actions, and one section at a time."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui.configuration import editing
from pages.ui.configuration.draft import Source
from pages.ui.runs import artifacts, run_actions, run_details, run_files, run_index, tensorboard_panel
from pages.ui.shared import active_runs, charts, flash, frame, history, job_progress, run_controls, run_notice
from pages.ui.shared.frame import plain
from trainer.catalog import trash
from trainer.catalog.run_rows import Row
from trainer.run import runs
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE
from trainer.system.workspace import Workspace

SECTIONS = ("Facts", "Configuration", "Charts", "Log", "Checkpoints", "Evaluations", "Files")


def show(workspace: Workspace, rows: Sequence[Row], wanted: str) -> None:
    """Draw the run with the id `wanted`, or say why there is none."""
    run_index.all_runs_button()
    row = next((each for each in rows if each.run == wanted), None)
    if row is None or row.state == run_index.FOREIGN:
        _show_none(workspace, wanted, row)
        return
    status = runs.status(run_index.run_of(workspace, row))
    st.subheader(plain(("★ " if row.starred else "") + row.label), anchor=False)
    st.caption(plain(" · ".join(filter(None, [row.run, *(f"#{tag}" for tag in row.tags), row.note]))))
    run_notice.show(status)
    run_actions.show_one(workspace, row, own_page=True)
    flash.show("runs")
    _show_continuation(workspace, status.run, has_model=row.best_epoch is not None)
    section = frame.section("Section", SECTIONS, "section")
    _show_section(workspace, rows, row, status, section)
    active_runs.follow([status], cards=False)


def _show_section(workspace: Workspace, rows: Sequence[Row], row: Row, status: Status, section: str) -> None:
    run = status.run
    match section:
        case "Configuration":
            run_details.show_configuration(workspace, run, row, rows)
        case "Charts":
            with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="right"):
                tensorboard_panel.show_tensorboard(workspace, run)
                style = charts.style_form()
            charts.show(history.read(run, to_end=status.state not in ACTIVE), style)
        case "Log":
            run_details.show_log(run)
        case "Checkpoints":
            job_progress.show(workspace, ("export",))
            artifacts.show_checkpoints(workspace, run)
        case "Evaluations":
            artifacts.show_evaluations(run)
        case "Files":
            run_files.show_pack(workspace, run)
            run_files.show_files(run)
        case _:
            run_details.show_facts(workspace, status, row)


def _show_none(workspace: Workspace, wanted: str, row: Row | None) -> None:
    """The reason why there is no run to show."""
    flash.show("runs")
    trashed = next((run for run in trash.all_of(workspace) if run.id == wanted), None)
    if row is not None:
        st.warning(plain(f"{workspace.runs / row.run} is not a run: {row.problem}"))
    elif trashed:
        st.info(f"Run {plain(trashed.id)} is in the trash.")
        st.button("Restore", on_click=_restore, args=(workspace, trashed))
    else:
        st.warning(f"There is no run {plain(wanted[:80])}.")


def _restore(workspace: Workspace, run: Run) -> None:
    flash.attempt("runs", lambda: f"Restored run {trash.restore(workspace, run).id}.")


def _show_continuation(workspace: Workspace, run: Run, has_model: bool) -> None:
    flash.show(run_controls.PLACE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run_controls.show(workspace, run)
        cloned = st.button(
            "Clone and Edit",
            icon=":material/content_copy:",
            help="Opens its configuration on the Configuration page. Save it there to start another run with it.",
        )
        fine_tuned = st.button(
            "Fine-tune",
            icon=":material/tune:",
            disabled=not has_model,
            help="Opens a configuration that continues from the best model: fewer epochs, lower learning rate.",
        )
    if cloned:
        editing.load(workspace, Source("run", run.id))
        artifacts.open_configuration()
    if fine_tuned:
        artifacts.fine_tune(workspace, run, run.id)
