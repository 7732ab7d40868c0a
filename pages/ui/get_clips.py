"""Clips from the demo, from uploaded files and zips, and from folders of this machine."""

from __future__ import annotations

import secrets
from pathlib import PurePosixPath

import streamlit as st

from pages.ui import jobs
from pages.ui.frame import os_sentence
from trainer import audio_formats
from trainer.counted import counted
from trainer.dataset import importing
from trainer.workspace import LABELS, Workspace

BY_FOLDER = "as its folders say"
KINDS = [*sorted(suffix[1:] for suffix in audio_formats.SUFFIXES), "zip"]
HOW = {"Copy": "copy", "Link": "link"}


def demo(workspace: Workspace, busy: bool) -> None:
    st.caption(
        "Speech synthesised on this machine by many voices, with noise and rooms. It is synthetic and meant for trying "
        "the app: a detector for real use needs recordings of real people."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Phrase", "hey atlas", key="phrase", max_chars=60, width=220)
        st.button("Make demo data", on_click=_make_demo, args=(workspace,), disabled=busy)


def _make_demo(workspace: Workspace) -> None:
    phrase = " ".join(st.session_state["phrase"].split())
    if phrase:
        jobs.start(workspace, "demo", [f"--phrase={phrase}"])
    else:
        jobs.refuse("Type the words to train for first.")


def files(workspace: Workspace, busy: bool) -> None:
    """Upload files or a zip, or import a folder of the machine that the app runs on."""
    st.caption(
        f"{audio_formats.NAMES}. Labels: `positive` (the word), `negative` (other speech), `hard_negative` "
        "(look-alikes), `background` (noise), `rirs` (rooms). A folder inside a label is a speaker."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Label of the clips", [*LABELS, BY_FOLDER], key="import_label", width=200)
        st.text_input("Speaker, if it is one person", key="import_speaker", max_chars=60, width=220)
    upload, folder = st.columns(2, gap="medium")
    with upload:
        key = f"upload_{st.session_state.get('uploads', 0)}"
        uploads = st.file_uploader("Files or a zip", KINDS, accept_multiple_files=True, key=key)
        st.button("Import files", on_click=_import_files, args=(workspace, key), disabled=busy or not uploads)
    with folder:
        st.text_input("Folder on this machine", key="import_folder", placeholder="~/recordings")
        st.radio("How", list(HOW), key="import_how", horizontal=True, help="A link takes no space, on the same disk.")
        st.button("Import folder", on_click=_import_folder, args=(workspace,), disabled=busy)
    st.caption("Or put the files here yourself, and scan:")
    st.code(str(workspace.raw), language=None, wrap_lines=True)


def _label() -> str:
    chosen: str = st.session_state["import_label"]
    return "" if chosen == BY_FOLDER else chosen


def _import_folder(workspace: Workspace) -> None:
    try:
        folder = importing.check_folder(st.session_state["import_folder"], importing.allowed_roots())
    except ValueError as error:
        jobs.refuse(str(error))
        return
    link = ["--link"] if HOW[st.session_state["import_how"]] == "link" else []
    jobs.start(workspace, "import", [str(folder), *_where(), *link])


def _where() -> list[str]:
    return [f"--label={_label()}", f"--speaker={st.session_state['import_speaker']}"]


def _import_files(workspace: Workspace, key: str) -> None:
    """Zips go to a job that unpacks them; single files are moved into place at once and scanned."""
    uploads = st.session_state.get(key) or []
    zips = [upload for upload in uploads if upload.name.lower().endswith(".zip")]
    try:
        if zips and len(uploads) > 1:
            raise ValueError("Import one zip at a time, without other files beside it.")
        if zips:
            place = workspace.uploads / f"{secrets.token_hex(8)}.zip"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(zips[0].getbuffer())
            jobs.start(workspace, "import", [str(place), *_where(), f"--title={zips[0].name}", "--consume"])
        else:
            _take(workspace, uploads)
        st.session_state["uploads"] = st.session_state.get("uploads", 0) + 1  # empties the widget
    except ValueError as error:
        jobs.refuse(str(error))
    except OSError as error:
        jobs.refuse(os_sentence(error))


def _take(workspace: Workspace, uploads: list[st.runtime.uploaded_file_manager.UploadedFile]) -> None:
    if not _label():
        raise ValueError("Choose the label of these files; only a zip or a folder can say it by its folders.")
    with importing.staging(workspace) as (change_id, folder):
        staged = []
        for number, upload in enumerate(uploads):
            file = folder / f"{number:06d}"
            file.write_bytes(upload.getbuffer())
            staged.append((PurePosixPath(upload.name.replace("\\", "/")).name, file))
        title = f"Upload of {counted(len(staged), 'file')}"
        made = importing.import_paths(workspace, staged, _label(), title, change_id, st.session_state["import_speaker"])
    jobs.tell(made.sentence())
    jobs.start(workspace, "scan", [])
