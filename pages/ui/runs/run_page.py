"""The page of one run: its state, its actions, and one section at a time (facts, configuration, log, ...)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from pages.ui.configuration import editing
from pages.ui.configuration.draft import Source
from pages.ui.runs import run_actions, run_columns, run_files, run_index
from pages.ui.shared import (
    active_runs,
    charts,
    flash,
    frame,
    history,
    job_progress,
    metrics,
    run_controls,
    run_notice,
    tables,
)
from pages.ui.shared.frame import error_sentence, plain
from pages.ui.shared.metrics import NONE_YET, Metric
from trainer.audio import manifest
from trainer.catalog import run_rows, trash
from trainer.catalog.run_rows import Row, option, point_of
from trainer.config import config_file, option_list
from trainer.config.option_list import Values
from trainer.run import models, runs
from trainer.run.documents import Processes
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE
from trainer.system import durable, log_lines, regular_file
from trainer.system.log_lines import clock_time
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
    st.header(plain(("★ " if row.starred else "") + row.label), anchor=False)
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
            show_configuration(workspace, run, row, rows)
        case "Charts":
            with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="right"):
                run_actions.show_tensorboard(workspace, run)
                style = charts.style_form()
            charts.show(history.read(run, to_end=status.state not in ACTIVE), style)
        case "Log":
            show_log(run)
        case "Checkpoints":
            job_progress.show(workspace, ("export",))
            run_files.show_checkpoints(workspace, run)
        case "Evaluations":
            run_files.show_evaluations(run)
        case "Files":
            run_files.show_pack(workspace, run)
            run_files.show_files(run)
        case _:
            show_facts(workspace, status, row)


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
        run_files.open_configuration()
    if fine_tuned:
        run_files.fine_tune(workspace, run, run.id)


MOST_LINES = 1000
LOG_HEIGHT = 520
DEFAULTS = "the defaults"
MOST_RUNS = 200
MOST_BYTES = 1 << 20


@st.cache_data(max_entries=20, show_spinner=False)
def _matching_lines(path: str, stamp: int, words: str) -> tuple[list[tuple[int, str]], int]:
    return log_lines.find(Path(path), words, MOST_LINES)


def show_log(run: Run) -> None:
    """The Log section: the log with a search and a download."""
    file = run.log_file
    if not file.exists():
        st.info("This run has no log yet.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search the log",
            key=f"log_{run.id}",
            width=360,
            placeholder="error, epoch 12…",
            help="Finds lines that contain every word.",
        )
        name = f"{run.id}-train.log"
        st.download_button(
            "Download the log", lambda: regular_file.read_bytes(file), name, "text/plain", on_click="ignore"
        )
    try:
        lines, count = _matching_lines(str(file), file.stat().st_mtime_ns, words or "")
    except OSError as error:
        st.error(plain(error_sentence(error)))
        return
    if not lines:
        st.info("No line contains these words." if words else "The log is empty.")
        return
    numbered = (f"{number:>6}  {line}" for number, line in lines) if words else (line for _, line in lines)
    with st.container(height=LOG_HEIGHT, border=True, autoscroll=True, key="whole_log"):
        st.code("\n".join(numbered), language=None, wrap_lines=True)
    shown = "" if count == len(lines) else f"; the last {len(lines):,} are shown, the download contains all"
    st.caption(f"{count:,} lines{' contain these words' if words else ''}{shown}.")


def show_configuration(workspace: Workspace, run: Run, row: Row, rows: Sequence[Row]) -> None:
    """The Configuration section: differences from another configuration, and the full one."""
    try:
        mine = run_rows.read_options(run.config_file)
        text = regular_file.read_bytes(run.config_file, MOST_BYTES).decode("utf-8", "replace")
    except (ValueError, OSError) as error:
        reason = error_sentence(error) if isinstance(error, OSError) else f"{run.config_file}: {error}."
        st.error(plain(f"The configuration cannot be read. {reason}"))
        return
    others = {each.run: each for each in rows if each.run != row.run and each.state != run_index.FOREIGN}
    names = [*_presets(row), *list(others)[:MOST_RUNS]]
    chosen = st.selectbox(
        "Compare with",
        names,
        key=f"with_{row.run}",
        width=420,
        format_func=lambda name: f"run {run_index.name_of(others[name])}" if name in others else name,
    )
    try:
        other = _values(workspace, chosen)
    except (ValueError, OSError) as error:
        st.warning(plain(str(error)))
        return
    mine.pop(run_rows.PRESET, None)
    other.pop(run_rows.PRESET, None)
    name = run_index.name_of(others[chosen]) if chosen in others else chosen
    tables.show_differences({"This run": mine, name: other})
    with st.expander("Full configuration"):
        st.code(text, language="yaml")


def _presets(row: Row) -> list[str]:
    """The presets and the defaults, first the one that the run started from."""
    presets = [f"preset {name}" for name in config_file.presets()]
    return sorted([DEFAULTS, *presets], key=lambda name: name != (f"preset {row.preset}" if row.preset else DEFAULTS))


def _values(workspace: Workspace, name: str) -> Values:
    """Raises ValueError, OSError."""
    if name == DEFAULTS:
        return dict(run_rows.option_defaults())
    if name.startswith("preset "):
        return option_list.values(config_file.preset(name.removeprefix("preset ")))
    return run_rows.read_options(workspace.runs / name / "config.yaml")


def show_facts(workspace: Workspace, status: Status, row: Row) -> None:
    """The Facts section: results, rates per window, origin and environment."""
    metrics.show(results(row))
    metrics.show_point(point_of(row), row.run)
    with st.expander("Details", expanded=True):
        st.caption(run_columns.BEST)
        metrics.show(window_rates(row))
    with st.grid(2, min_column_width=340):
        for title, values in (("Facts", facts(workspace, row)), ("Environment", environment(status, row))):
            table = pd.DataFrame(values.items(), columns=[title, ""])
            st.dataframe(table, hide_index=True, width="stretch", height="content", alt=title)


def results(row: Row) -> list[Metric]:
    """State, epochs and best epoch."""
    duration, measured_by = row.duration_seconds, models.describe_measure(option(row, "training.best_by"))
    return [
        Metric("State", run_columns.state_word(row)),
        Metric("Epochs", f"{row.epoch:,}/{row.epochs:,}" if row.epochs else NONE_YET),
        Metric("Best epoch", NONE_YET if row.best_epoch is None else f"{row.best_epoch:,}", f"By {measured_by}."),
        Metric("Best val loss", metrics.loss(row.val_loss)),
        Metric("Duration", clock_time(duration), "Training time without pauses."),
    ]


def window_rates(row: Row) -> list[Metric]:
    """Rates per window of the best epoch."""
    rates = {"Accuracy": row.accuracy, "FPR": row.fpr, "FNR": row.fnr, "F1": row.f1}
    return [Metric(name, metrics.percent(rate), run_columns.BEST) for name, rate in rates.items()]


def _time(seconds: float | None) -> str:
    return NONE_YET if seconds is None else run_rows.local_time(seconds)


def _data(workspace: Workspace, row: Row) -> str:
    """The fingerprint of the splits used for training, and whether they are the current ones."""
    if not row.split:
        return NONE_YET
    same = row.split == manifest.fingerprint(workspace)
    return f"{row.split[:12]}, {'the current splits' if same else 'not the current splits'}"


def facts(workspace: Workspace, row: Row) -> dict[str, str]:
    """The origin of a run."""
    return {
        "Id": row.run,
        "Started": _time(row.started),
        "Ended": _time(row.ended),
        "Configuration": row.config or NONE_YET,
        "Preset": row.preset or NONE_YET,
        "Model": row.model or NONE_YET,
        "Splits": _data(workspace, row),
        "Tags": ", ".join(row.tags) or NONE_YET,
        "Note": row.note or NONE_YET,
        "Folder": str(workspace.runs / row.run),
    }


def environment(status: Status, row: Row) -> dict[str, str]:
    """The machine, the devices and the versions."""
    process = durable.read_document(Processes, status.run.process_file)
    reading = (status.progress.reading if status.progress else None) or {}
    versions = status.request.versions if status.request else {}
    return {
        "Machine": process.host if process else NONE_YET,
        "Device": row.device or NONE_YET,
        "GPU": str(reading.get("gpu_name") or NONE_YET),
        "Attempts": str(row.attempt),
        **dict(sorted(versions.items())),
    }
