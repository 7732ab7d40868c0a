"""The table of clips: filter, sort, listen, relabel and delete."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.dataset import change_list
from pages.ui.shared import audio
from pages.ui.shared.frame import plain
from trainer.audio import audio_file, audio_formats, audio_reader
from trainer.dataset import repairs
from trainer.dataset.clips import ScannedClips
from trainer.dataset.findings import Finding
from trainer.system.display_text import counted
from trainer.system.workspace import LABELS, Workspace

MOST_ROWS = 1000
ALL = "all clips"
SORTS = {
    "path": "path",
    "duration": "seconds",
    "level": "level_db",
    "clipping": "clipped",
    "sample rate": "sample_rate",
}
COLUMNS = {
    "path": "Clip",
    "label": "Label",
    "speaker": "Speaker",
    "seconds": "Seconds",
    "sample_rate": "Rate (Hz)",
    "level_db": "Level (dB)",
    "peak_db": "Peak (dB)",
    "clipped": "Clipped",
}
FORMATS = {"Seconds": "%.2f", "Level (dB)": "%.0f", "Peak (dB)": "%.0f", "Clipped": "percent"}


def choose_finding(code: str) -> None:
    """Show the clips of one finding. For callbacks."""
    st.session_state["clip_finding"] = code
    st.session_state["clips_view"] = "Listen"


def show(workspace: Workspace, scanned: ScannedClips, health: list[Finding], busy: bool) -> None:
    chosen = _filtered(scanned.clips, health)
    more = f" The first {MOST_ROWS:,} are shown; filter or sort to see others." if len(chosen) > MOST_ROWS else ""
    st.caption(f"{counted(len(chosen), 'clip')}.{more} Select a row to listen, or several to change them.")
    shown = chosen.head(MOST_ROWS)[list(COLUMNS)].rename(columns=COLUMNS)
    numbers = {name: st.column_config.NumberColumn(format=how) for name, how in FORMATS.items()}
    key = f"clip_table_{st.session_state.get('clip_changes', 0)}"
    event = st.dataframe(
        shown,
        hide_index=True,
        width="stretch",
        height=360,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        column_config=numbers,
        alt="Clips",
    )
    rows = [row for row in event["selection"]["rows"] if row < len(shown)]
    if rows:
        picked = chosen.head(MOST_ROWS).iloc[rows]
        _actions(workspace, picked["path"].tolist(), busy)
        _show_clip(workspace, picked.iloc[0], busy)


def _filtered(clips: pd.DataFrame, health: list[Finding]) -> pd.DataFrame:
    titles = {ALL: ALL} | {finding.code: finding.title for finding in health if finding.paths}
    if st.session_state.get("clip_finding") not in titles:
        st.session_state["clip_finding"] = ALL
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Name contains", key="clip_text", width=220)
        labels = st.multiselect("Labels", LABELS, key="clip_labels", width=260)
        code = st.selectbox("Finding", list(titles), format_func=titles.__getitem__, key="clip_finding", width=260)
        sort = st.selectbox("Sort by", list(SORTS), key="clip_sort", width=150)
        falling = st.toggle("Descending", key="clip_falling")
    keep = pd.Series(True, index=clips.index)
    if text:
        keep &= clips["path"].str.contains(text, case=False, regex=False)
    if labels:
        keep &= clips["label"].isin(labels)
    if code != ALL:
        keep &= clips["path"].isin(next(finding.paths for finding in health if finding.code == code))
    return clips[keep].sort_values(SORTS[sort], ascending=not falling, kind="stable")


def _actions(workspace: Workspace, paths: list[str], busy: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("New label", LABELS, key="new_label", width=200)
        count = counted(len(paths), "clip")
        st.button(f"Relabel {count}", disabled=busy, on_click=_relabel, args=(workspace, paths))
        st.button(
            f"Delete {count}", disabled=busy, on_click=_delete, args=(workspace, paths), help="Moves them to the trash."
        )


def _relabel(workspace: Workspace, paths: list[str]) -> None:
    change_list.change(workspace, lambda: repairs.relabel(workspace, paths, st.session_state["new_label"]).title)


def _delete(workspace: Workspace, paths: list[str]) -> None:
    change_list.change(workspace, lambda: repairs.delete(workspace, paths).title)


def _use_channel(workspace: Workspace, path: str, channel: int) -> None:
    change_list.change(workspace, lambda: repairs.use_channel(workspace, [path], channel).title)


def _channel(clip: pd.Series) -> int:
    """The channel to play, from 1; 0 for the mix that training uses."""
    if clip["channels"] < 2:
        return 0
    names = {0: "As used in training"} | {number: f"Channel {number}" for number in range(1, clip["channels"] + 1)}
    chosen: int = st.segmented_control(
        "Channel",
        list(names),
        format_func=names.__getitem__,
        default=0,
        required=True,
        key=f"channel_{clip['path']}",
    )
    return chosen


def _show_clip(workspace: Workspace, clip: pd.Series, busy: bool) -> None:
    """Draw player, waveform and log-mel spectrogram of one clip, if it is unchanged since the scan."""
    path = workspace.raw / clip["path"]
    try:
        facts = path.stat()
        if (facts.st_size, facts.st_mtime_ns) != (clip["size"], clip["mtime_ns"]):
            st.warning("This file has changed since the last scan. Scan again.")
            return
        channel = _channel(clip)
        wave, read = audio_reader.read(path, channel)
    except FileNotFoundError:
        st.warning(plain(f"{clip['path']} no longer exists. Scan again."))
        return
    except (OSError, audio_formats.AudioRefused) as error:
        st.warning(plain(f"{clip['path']} cannot be read: {error}"))
        return
    st.markdown(f"**{plain(clip['path'])}**")
    st.audio(audio_file.encoded(wave, read.sample_rate), "audio/wav")
    for note in read.notes():
        st.caption(plain(note))
    if channel:
        st.button(
            f"Use only channel {channel}",
            disabled=busy,
            on_click=_use_channel,
            args=(workspace, clip["path"], channel),
            help="Saves this channel as a mono file and moves the original to the trash.",
        )
    left, right = st.columns(2)
    left.altair_chart(audio.waveform(wave, read.sample_rate), width="stretch", key="clip_wave")
    picture = audio.image(audio.log_mel(wave[: 15 * read.sample_rate], read.sample_rate))
    right.image(picture, width="stretch", caption="Log-mel spectrogram, low frequencies at the bottom")
