"""What can be done with the chosen runs: open, compare, name, tag, note, star, put away, throw away, take along."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import streamlit as st

from pages.ui.runs import run_files, run_index
from pages.ui.shared import flash, frame
from pages.ui.shared.frame import plain
from trainer.catalog import notes, trash
from trainer.catalog.row import Row
from trainer.run.runs import Run
from trainer.system.workspace import Workspace

MOST_COMPARED = 100


def show(workspace: Workspace, chosen: Sequence[Row], found: Sequence[Row]) -> None:
    """For no run the way to compare all that were found, for one everything, for several what suits several."""
    ours = [row for row in chosen if row.state != run_index.FOREIGN]
    if len(ours) < len(chosen):
        st.caption("A folder whose name is no id of a run is left alone: rename or remove it by hand.")
    if len(ours) == 1:
        one(workspace, ours[0], opened=False)
    elif ours:
        several(workspace, ours)
    else:
        comparable = [row for row in found if row.losses]
        if 2 <= len(comparable) <= MOST_COMPARED:
            run_index.compare_button([row.run for row in comparable], f"Compare all {len(comparable)} that are listed")


def one(workspace: Workspace, row: Row, opened: bool) -> None:
    """The actions on one run, those of its own page too."""
    run = run_index.run_of(workspace, row)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not opened:
            run_index.open_button(row.run, row.label)
        st.page_link(frame.TRAINING, label="Training", query_params={"run": row.run})
        st.page_link(frame.EVALUATION, label="Evaluation", query_params={"run": row.run})
        with st.popover("Name, tags, note", icon=":material/edit:"):
            _notes_form(workspace, run, row)
        word = "Unstar" if row.starred else "Star"
        st.button(word, icon=":material/star:", on_click=_note, args=([run], word, {"starred": not row.starred}))
        _put_away([run], row.archived)
        with st.popover("Free space", icon=":material/mop:"):
            run_files.show_disk_usage(run)
        _throw_button(workspace, [run])
    if row.problem:
        st.warning(plain(f"{row.problem.rstrip('.')}."))


def several(workspace: Workspace, rows: Sequence[Row]) -> None:
    """The actions on several runs."""
    found = [run_index.run_of(workspace, row) for row in rows]
    with st.container(horizontal=True, vertical_alignment="center"):
        run_index.compare_button([row.run for row in rows], f"Compare {len(rows)} runs")
        with st.popover("Tag", icon=":material/label:"), st.form("tag_several", border=False):
            st.text_input("Tag", key="tag_several_text", max_chars=notes.LONGEST_TAG)
            st.form_submit_button("Add", on_click=_tag_several, args=(found,))
        _put_away(found, all(row.archived for row in rows))
        _throw_button(workspace, found)


def _put_away(found: list[Run], archived: bool) -> None:
    word = "Unarchive" if archived else "Archive"
    st.button(
        word, icon=":material/archive:", on_click=_note, args=(found, word, {"archived": not archived}),
        help="Archived runs are not listed unless asked for; nothing of them is removed.",
    )  # fmt: skip


def _throw_button(workspace: Workspace, found: list[Run]) -> None:
    st.button(
        "Move to Trash", icon=":material/delete:", on_click=_throw, args=(workspace, found),
        help="It comes back from the trash until that is emptied.",
    )  # fmt: skip


def _counted(found: Sequence[Run]) -> str:
    return found[0].id if len(found) == 1 else f"{len(found)} runs"


def _each(found: Sequence[Run], done: str, act: Callable[[Run], object]) -> None:
    """Do it to each; what stands against one does not keep the others from it."""

    def do() -> str:
        refused = []
        for run in found:
            try:
                act(run)
            except ValueError as error:
                refused.append(str(error))
        if refused:
            raise ValueError(" ".join(refused))
        return f"{done}: {_counted(found)}."

    flash.attempt("runs", do)


def _note(found: list[Run], word: str, changes: dict[str, object]) -> None:
    done = {"Star": "Starred", "Unstar": "No star any more", "Archive": "Archived", "Unarchive": "Listed again"}[word]
    _each(found, done, lambda run: notes.change(run, (), (), **changes))


def _tag_several(found: list[Run]) -> None:
    if tag := st.session_state["tag_several_text"].strip():
        _each(found, f"Tagged {tag}", lambda run: notes.change(run, add=[tag]))


def _throw(workspace: Workspace, found: list[Run]) -> None:
    every = run_index.rows(workspace)  # one look for all of them
    _each(found, "Moved to the trash", lambda run: trash.throw(workspace, run, every))


def _notes_form(workspace: Workspace, run: Run, row: Row) -> None:
    """What a person says of a run. Its fields begin with what is written now."""
    known = sorted({tag for each in run_index.rows(workspace) for tag in each.tags} | set(row.tags))
    with st.form(f"notes_{row.run}", border=False):
        noted = hashlib.sha256(repr((row.label, row.tags, row.note)).encode()).hexdigest()[:8]
        keys = {name: f"{name}_{row.run}_{noted}" for name in ("name", "tags", "note")}  # fields anew where it changes
        st.text_input("Name", row.label if row.label != row.run else "", notes.LONGEST_NAME, key=keys["name"])
        st.multiselect(
            "Tags",
            known,
            list(row.tags),
            key=keys["tags"],
            accept_new_options=True,
            placeholder="Type a tag, press Enter",
        )
        st.text_area("Note", row.note, max_chars=notes.LONGEST_NOTE, key=keys["note"])
        st.form_submit_button("Save", type="primary", on_click=_save, args=(run, row, keys))


def _save(run: Run, shown: Row, keys: dict[str, str]) -> None:
    """Write what is other than was shown: what somebody else has noted meanwhile stays."""

    def save() -> str:
        name, tags, note = (st.session_state[keys[key]] for key in ("name", "tags", "note"))
        before = {"name": shown.label if shown.label != shown.run else "", "note": shown.note}
        changes: dict[str, object] = {
            key: text for key, text in (("name", name), ("note", note)) if text != before[key]
        }
        gone = [tag for tag in shown.tags if tag not in tags]
        notes.change(run, [tag for tag in tags if tag not in shown.tags], gone, **changes)
        return f"Saved: {name or run.id}."

    flash.attempt("runs", save)
