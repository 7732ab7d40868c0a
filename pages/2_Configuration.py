"""Configuration: choose a preset, edit, validate and save."""

import streamlit as st

from pages.ui.configuration import config_tabs, editing, estimate_panel, form, preset_cards
from pages.ui.shared import flash, frame, run_picker, shell, statuses
from trainer.config import config_file, saved_configs
from trainer.run import runs

workspace = shell.page("Configuration", "🎛️")
edited = editing.save_fields(workspace)
st.session_state.setdefault("save_name", editing.offered_name(workspace, edited.source))
saved = saved_configs.names(workspace)
names = {run.id: run_picker.name_of(run) for run in runs.all_runs(workspace)[: statuses.MOST_RUNS]}

preset_cards.show(workspace, edited)
with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(editing.source_line(workspace, edited), width="content")
    if saved or names:
        st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
with st.container(horizontal=True):  # a list and its button stay together on a narrow page
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        st.selectbox(
            "Preset",
            config_file.presets(),
            key="chosen_preset",
            width=150,
            on_change=editing.load_chosen,
            args=(workspace, "preset"),
        )
        st.button("Load Preset", on_click=editing.load_chosen, args=(workspace, "preset"))
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        st.selectbox("Saved configuration", saved, key="chosen_saved", width=180, placeholder="None saved yet")
        st.button("Load", on_click=editing.load_chosen, args=(workspace, "saved"), disabled=not saved)
    if names:
        with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
            st.selectbox("Run", list(names), key="chosen_run", width=270, format_func=names.__getitem__)
            st.button("Load from Run", on_click=editing.load_chosen, args=(workspace, "run"))
with st.container(horizontal=True, vertical_alignment="bottom"):
    name = st.text_input("Name", key="save_name", max_chars=64, width=300, help="Another name saves it as a new file.")
    st.button("Save Configuration", type="primary", on_click=editing.save, args=(workspace,))
    st.button("Validate Configuration", on_click=editing.validate, args=(workspace,))
    st.button("Reset", on_click=editing.reset, args=(workspace,), help="Restores the loaded values.")
with st.container():  # keeps the elements below in place, so that the tabs do not reset
    if editing.would_replace(workspace, edited.source, name := name.strip()):
        st.checkbox(
            "Replace existing file",
            key=editing.replace_key(name),
            help="Replaces the saved configuration of this name.",
        )
    flash.show(editing.PLACE)
    editing.show_discarded(workspace, edited)
checked = editing.check(workspace, edited)
with st.expander("Customize", expanded=editing.is_unfolded(edited), key="customize"):
    estimate_panel.show(workspace, checked)
    options, difference, text, files = st.tabs(["Options", "Difference", "YAML", "Files"])
    with options:
        form.draw(edited.values, form.notes(workspace, edited, checked.problems, checked.warnings))
    with difference:
        config_tabs.show_difference(workspace, edited)
    with text:
        config_tabs.show_yaml(workspace, checked, name)
    with files:
        config_tabs.show_files(workspace)
