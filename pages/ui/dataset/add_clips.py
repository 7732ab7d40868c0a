"""The forms that add clips: demo data, uploaded files and zips, and folders of this machine."""

from __future__ import annotations

import secrets
from pathlib import PurePosixPath

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pages.ui.shared import flash, job_progress
from trainer.audio import audio_formats
from trainer.dataset import archives, importing, zip_names
from trainer.system import display_text
from trainer.system.display_text import counted
from trainer.system.workspace import LABELS, Workspace

BY_FOLDER = "from folder names"
KINDS = [*sorted(suffix[1:] for suffix in audio_formats.SUFFIXES), "zip"]
IMPORT_MODES = {"Copy": "copy", "Link": "link"}


def show_demo(workspace: Workspace, busy: bool) -> None:
    """The form that makes the demo data set."""
    st.caption(
        "Synthesises speech in many voices on this machine, with noise and room acoustics. Demo data is for trying the "
        "app: a detector for real use needs recordings of real people."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Phrase", "hey atlas", key="phrase", max_chars=60, width=220)
        st.button("Make demo data", on_click=_make_demo, args=(workspace,), disabled=busy)


def _make_demo(workspace: Workspace) -> None:
    phrase = " ".join(st.session_state["phrase"].split())
    if phrase:
        job_progress.start(workspace, "demo", [f"--phrase={phrase}"])
    else:
        flash.error(job_progress.PLACE, "Enter a phrase first.")


def show_import(workspace: Workspace, busy: bool) -> None:
    """The form to upload files or zips, or to import a folder of the machine that runs the app."""
    st.caption(
        f"Formats: {audio_formats.NAMES}. Labels: `positive` (the word), `negative` (other speech), `hard_negative` "
        "(look-alikes), `background` (noise), `rirs` (room impulse responses). A folder inside a label folder is a "
        "speaker."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Label of the clips", [*LABELS, BY_FOLDER], key="import_label", width=200)
        st.text_input("Speaker (if only one)", key="import_speaker", max_chars=60, width=220)
    upload, folder = st.columns(2, gap="medium")
    with upload:
        key = f"upload_{st.session_state.get('uploads', 0)}"
        uploads = st.file_uploader("Files or zip archives", KINDS, accept_multiple_files=True, key=key)
        _names_form([each for each in uploads if _is_zip(each)])
        st.button("Import files", on_click=_import_files, args=(workspace, key), disabled=busy or not uploads)
    with folder:
        st.text_input("Folder on this machine", key="import_folder", placeholder="~/recordings")
        st.radio(
            "Copy or link",
            list(IMPORT_MODES),
            key="import_how",
            horizontal=True,
            help="Links on the same disk use no extra space.",
        )
        st.button("Import folder", on_click=_import_folder, args=(workspace,), disabled=busy)
    st.caption("Or copy files into this folder and scan:")
    st.code(str(workspace.raw), language=None, wrap_lines=True)


def _label() -> str:
    chosen: str = st.session_state["import_label"]
    return "" if chosen == BY_FOLDER else chosen


def _import_folder(workspace: Workspace) -> None:
    try:
        folder = importing.check_folder(st.session_state["import_folder"], importing.allowed_roots())
    except ValueError as error:
        flash.error(job_progress.PLACE, error)
        return
    link = ["--link"] if IMPORT_MODES[st.session_state["import_how"]] == "link" else []
    job_progress.start(workspace, "import", [str(folder), *_label_and_speaker(), *link])


def _label_and_speaker() -> list[str]:
    return [f"--label={_label()}", f"--speaker={st.session_state['import_speaker']}"]


def _is_zip(upload: UploadedFile) -> bool:
    return str(upload.name).lower().endswith(".zip")


def _names_form(zips: list[UploadedFile]) -> None:
    """Ask for the encoding of file names in zips that do not specify it."""
    readings: dict[str, str] = {}
    for each in zips:
        readings = _name_readings(each.file_id, each) | readings
    if readings:
        st.selectbox(
            "File name encoding",
            list(readings),
            key="import_names",
            format_func=lambda encoding: f"{zip_names.ENCODINGS[encoding]}: {display_text.clean(readings[encoding])}",
            help="The zip does not specify the encoding of its file names. Choose the one that reads correctly.",
        )


@st.cache_data(max_entries=16, show_spinner=False, scope="session")
def _name_readings(file_id: str, _upload: UploadedFile) -> dict[str, str]:
    try:
        return archives.undecided_names(_upload)
    except ValueError:  # the import reports what is wrong
        return {}


def _import_files(workspace: Workspace, key: str) -> None:
    """Import single files at once, and start a job that imports the zips or scans."""
    uploads: list[UploadedFile] = st.session_state.get(key) or []
    zips = [upload for upload in uploads if _is_zip(upload)]
    files = [upload for upload in uploads if not _is_zip(upload)]
    if files and not _label():
        flash.error(
            job_progress.PLACE,
            "Choose a label for these files. Only a zip or a folder can take labels from folder names.",
        )
        return
    try:
        if files:
            _import_uploads(workspace, files)
    except (ValueError, OSError) as error:
        flash.error(job_progress.PLACE, error)
        if isinstance(error, OSError):
            return
    st.session_state["uploads"] = st.session_state.get("uploads", 0) + 1  # empties the widget
    if zips:
        _unpack(workspace, zips)
    elif files:
        job_progress.start(workspace, "scan", [])


def _unpack(workspace: Workspace, zips: list[UploadedFile]) -> None:
    places = [workspace.uploads / f"{secrets.token_hex(8)}.zip" for _ in zips]
    try:
        workspace.uploads.mkdir(parents=True, exist_ok=True)
        for place, upload in zip(places, zips, strict=True):
            place.write_bytes(upload.getbuffer())
    except OSError as error:
        flash.error(job_progress.PLACE, error)
        return
    encoding = st.session_state.get("import_names") or ""
    titles = [f"--title={upload.name}" for upload in zips]
    job_progress.start(
        workspace, "import", [*map(str, places), *_label_and_speaker(), *titles, f"--names={encoding}", "--consume"]
    )


def _import_uploads(workspace: Workspace, uploads: list[UploadedFile]) -> None:
    with importing.staging(workspace) as (change_id, folder):
        staged = []
        for number, upload in enumerate(uploads):
            file = folder / f"{number:06d}"
            file.write_bytes(upload.getbuffer())
            staged.append((PurePosixPath(upload.name.replace("\\", "/")).name, file))
        title = f"Upload of {counted(len(staged), 'file')}"
        imported = importing.import_paths(
            workspace, staged, _label(), title, change_id, st.session_state["import_speaker"]
        )
    flash.success(job_progress.PLACE, imported.sentence())
