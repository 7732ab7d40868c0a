"""The augmentation preview: a clip and a configuration, and ten draws of what the engine would feed."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui.shared import clip_cache, clip_pictures, flash, job_progress
from pages.ui.shared.frame import plain
from trainer.config import config_file
from trainer.dataset import previews
from trainer.dataset.clips import Found
from trainer.system.workspace import Workspace

PER_ROW = 5
MOST_CLIPS = 2000


def show(workspace: Workspace, found: Found, busy: bool) -> None:
    """Choose, draw, hear and see."""
    st.caption(
        "Made by the engine with its own code: what is heard here and the picture below it are what training by this "
        "configuration gets, in the order of its epochs. Only clips of the training split are heard in training."
    )
    try:
        heard = clip_cache.training_paths(workspace, found)
    except (FileNotFoundError, ValueError) as error:
        st.info(plain(str(error)))
        return
    names = [*config_file.saved(workspace), *config_file.presets()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Configuration", names, key="preview_config", width=220)
        text = st.text_input("Clip name holds", "positive/", key="preview_text", width=220)
        paths = _matching(heard, text)
        st.selectbox("Clip", paths, key="preview_clip", width=360)
        st.button("Draw examples", on_click=_draw, args=(workspace,), disabled=busy or not paths)
    clip, draws = previews.read(workspace)
    if not draws:
        return
    st.markdown(f"**{plain(clip)}**")
    for first in range(0, len(draws), PER_ROW):
        for column, draw in zip(st.columns(PER_ROW), draws[first : first + PER_ROW], strict=False):
            with column:
                st.audio(str(draw.wav))
                st.image(clip_pictures.image(draw.features), width="stretch", caption=_told(draw))


def _told(draw: previews.Draw) -> str:
    part = (
        f"{draw.start_seconds:.2f} to {draw.end_seconds:.2f} s of the clip" if draw.end_seconds else "beside the clip"
    )
    return f"Epoch {draw.epoch}, as a {'positive' if draw.positive else 'negative'}: {part}"


def _matching(paths: pd.Series, text: str) -> list[str]:
    return list(paths[paths.str.contains(text, case=False, regex=False)].head(MOST_CLIPS))


def _draw(workspace: Workspace) -> None:
    state = st.session_state
    if state.get("preview_config") and state.get("preview_clip"):
        job_progress.start(workspace, "preview", [state["preview_config"], state["preview_clip"]])
    else:
        flash.error(job_progress.PLACE, "Choose a configuration and a clip first.")
