"""Actions on the chosen runs: open, compare, rename, tag, note, star, archive, move to the trash; TensorBoard."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Sequence

import streamlit as st

from pages.ui.runs import run_files, run_index
from pages.ui.shared import flash, frame
from pages.ui.shared.frame import plain
from trainer.catalog import notes, trash
from trainer.catalog.run_rows import Row
from trainer.run import tensorboard
from trainer.run.runs import Run
from trainer.run.tensorboard import Server
from trainer.system.workspace import Workspace

MOST_COMPARED = 100


def show(workspace: Workspace, chosen: Sequence[Row], listed: Sequence[Row]) -> None:
    """The actions on one or several chosen runs; without a choice, a button that compares all listed runs."""
    ours = [row for row in chosen if row.state != run_index.FOREIGN]
    if len(ours) < len(chosen):
        st.caption("Folders whose name is not a run id are skipped. Rename or remove them yourself.")
    if len(ours) == 1:
        show_one(workspace, ours[0], own_page=False)
    elif ours:
        _show_several(workspace, ours)
    else:
        comparable = [row for row in listed if row.losses]
        if 2 <= len(comparable) <= MOST_COMPARED:
            run_index.compare_button([row.run for row in comparable], f"Compare all {len(comparable)} listed runs")


def show_one(workspace: Workspace, row: Row, own_page: bool) -> None:
    """The actions on one run, in the list or on its own page."""
    run = run_index.run_of(workspace, row)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not own_page:
            run_index.open_button(row.run, row.label)
        st.page_link(frame.TRAINING, label="Training", query_params={"run": row.run})
        st.page_link(frame.EVALUATION, label="Evaluation", query_params={"run": row.run})
        with st.popover("Name, tags, note", icon=":material/edit:"):
            _notes_form(workspace, run, row)
        word = "Unstar" if row.starred else "Star"
        st.button(word, icon=":material/star:", on_click=_note, args=([run], word, {"starred": not row.starred}))
        _archive_button([run], row.archived)
        with st.popover("Free space", icon=":material/mop:"):
            run_files.show_disk_usage(run)
        _trash_button(workspace, [run])
    if row.problem:
        st.warning(plain(f"{row.problem.rstrip('.')}."))


def _show_several(workspace: Workspace, rows: Sequence[Row]) -> None:
    """The actions on several runs."""
    chosen = [run_index.run_of(workspace, row) for row in rows]
    with st.container(horizontal=True, vertical_alignment="center"):
        run_index.compare_button([row.run for row in rows], f"Compare {len(rows)} runs")
        with st.popover("Tag", icon=":material/label:"), st.form("tag_several", border=False):
            st.text_input("Tag", key="tag_several_text", max_chars=notes.LONGEST_TAG)
            st.form_submit_button("Add", on_click=_tag_several, args=(chosen,))
        _archive_button(chosen, all(row.archived for row in rows))
        _trash_button(workspace, chosen)


def _archive_button(chosen: list[Run], archived: bool) -> None:
    word = "Unarchive" if archived else "Archive"
    st.button(
        word,
        icon=":material/archive:",
        on_click=_note,
        args=(chosen, word, {"archived": not archived}),
        help="The list hides archived runs by default. Nothing is deleted.",
    )


def _trash_button(workspace: Workspace, chosen: list[Run]) -> None:
    st.button(
        "Move to Trash",
        icon=":material/delete:",
        on_click=_move_to_trash,
        args=(workspace, chosen),
        help="You can restore it until you delete it from the trash.",
    )


def for_each(chosen: Sequence[Run], done: str, act: Callable[[Run], object]) -> None:
    """Call `act` for each run, and post `done` with the runs or the errors; an error does not stop the others."""

    def do() -> str:
        refused = []
        for run in chosen:
            try:
                act(run)
            except ValueError as error:
                refused.append(str(error))
        if refused:
            raise ValueError(" ".join(refused))
        return f"{done}: {chosen[0].id if len(chosen) == 1 else f'{len(chosen)} runs'}."

    flash.attempt("runs", do)


def _note(chosen: list[Run], word: str, changes: dict[str, object]) -> None:
    done = {"Star": "Starred", "Unstar": "Unstarred", "Archive": "Archived", "Unarchive": "Unarchived"}[word]
    for_each(chosen, done, lambda run: notes.change(run, (), (), **changes))


def _tag_several(chosen: list[Run]) -> None:
    if tag := st.session_state["tag_several_text"].strip():
        for_each(chosen, f"Tagged {tag}", lambda run: notes.change(run, add=[tag]))


def _move_to_trash(workspace: Workspace, chosen: list[Run]) -> None:
    every = run_index.rows(workspace)  # read once for all of them
    for_each(chosen, "Moved to the trash", lambda run: trash.add(workspace, run, every))


def _notes_form(workspace: Workspace, run: Run, row: Row) -> None:
    """The form for name, tags and note of a run, filled with the current ones."""
    tags = sorted({tag for each in run_index.rows(workspace) for tag in each.tags} | set(row.tags))
    with st.form(f"notes_{row.run}", border=False):
        version = hashlib.sha256(repr((row.label, row.tags, row.note)).encode()).hexdigest()[:8]
        keys = {
            name: f"{name}_{row.run}_{version}" for name in ("name", "tags", "note")
        }  # new fields when a note changes
        st.text_input("Name", row.label if row.label != row.run else "", notes.LONGEST_NAME, key=keys["name"])
        st.multiselect(
            "Tags",
            tags,
            list(row.tags),
            key=keys["tags"],
            accept_new_options=True,
            placeholder="Type a tag, press Enter",
        )
        st.text_area("Note", row.note, max_chars=notes.LONGEST_NOTE, key=keys["note"])
        st.form_submit_button("Save", type="primary", on_click=_save, args=(run, row, keys))


def _save(run: Run, shown: Row, keys: dict[str, str]) -> None:
    """Write only what the user changed, so that changes made elsewhere meanwhile stay."""

    def save() -> str:
        name, tags, note = (st.session_state[keys[key]] for key in ("name", "tags", "note"))
        before = {"name": shown.label if shown.label != shown.run else "", "note": shown.note}
        changes: dict[str, object] = {
            key: text for key, text in (("name", name), ("note", note)) if text != before[key]
        }
        removed = [tag for tag in shown.tags if tag not in tags]
        notes.change(run, [tag for tag in tags if tag not in shown.tags], removed, **changes)
        return f"Saved: {name or run.id}."

    flash.attempt("runs", save)


def show_tensorboard(workspace: Workspace, run: Run | None = None) -> None:
    """Draw the popover for all runs, or for one."""
    with st.popover("TensorBoard", icon=":material/monitoring:"):
        st.caption("Every run writes TensorBoard event files while it trains.")
        st.caption("On the command line (other users of this machine can open that server too):")
        st.code(tensorboard.command(workspace, run), language=None, wrap_lines=True)
        server = _running(workspace)
        if server:
            st.link_button("Open TensorBoard", tensorboard.address_of(server, run), icon=":material/open_in_new:")
            st.caption("TensorBoard listens on 127.0.0.1: only browsers on the machine that runs this app can open it.")
            st.button("Stop TensorBoard", on_click=_stop, args=(workspace,))
        else:
            st.button("Start TensorBoard", type="primary", on_click=_start, args=(workspace,))
        flash.show("tensorboard")


def _running(workspace: Workspace) -> Server | None:
    """The running server, once it has an address; an error if it does not start."""
    server = tensorboard.running(workspace)
    if server is None or server.address:
        return server
    try:
        with st.spinner("TensorBoard is starting…"):
            return tensorboard.wait(workspace)
    except ValueError as error:
        st.error(plain(str(error)))
        return None


def _start(workspace: Workspace) -> None:
    def start() -> str:
        try:
            tensorboard.start(workspace)
        except subprocess.SubprocessError:
            raise ValueError(f"TensorBoard did not start. See {tensorboard.log_file(workspace)}.") from None
        return ""

    flash.attempt("tensorboard", start)


def _stop(workspace: Workspace) -> None:
    flash.attempt(
        "tensorboard", lambda: "TensorBoard stopped." if tensorboard.stop(workspace) else "TensorBoard was not running."
    )
