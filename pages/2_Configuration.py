import streamlit as st

from pages.ui.configuration import config_check, config_compare, config_files, editing, estimate_panel, form
from pages.ui.configuration.config_check import notes
from pages.ui.shared import frame, run_picker
from trainer.config import config_file
from trainer.run import runs

workspace = frame.page("Configuration", "🎛️")
edited = editing.as_it_stands(workspace)
st.session_state.setdefault("save_name", editing.offered_name(workspace, edited.source))
saved, made = config_file.saved(workspace), {run.id: run for run in runs.all_runs(workspace)[: run_picker.MOST_RUNS]}

with st.container(horizontal=True):  # each list with its button, so that a narrow page keeps them together
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        preset = st.selectbox("Preset", config_file.presets(), key="chosen_preset", width=150)
        st.button("Load Preset", on_click=editing.load_chosen, args=(workspace, "preset"))
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        st.selectbox("Saved configuration", saved, key="chosen_saved", width=180, placeholder="None saved yet")
        st.button("Load", on_click=editing.load_chosen, args=(workspace, "saved"), disabled=not saved)
    if made:
        with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
            st.selectbox(
                "Run", list(made), key="chosen_run", width=240, format_func=lambda i: run_picker.name_of(made[i])
            )
            st.button("Load from Run", on_click=editing.load_chosen, args=(workspace, "run"))
st.caption(frame.plain(config_file.situation(preset)))

with st.container(horizontal=True, vertical_alignment="bottom"):
    name = st.text_input(
        "Name", key="save_name", max_chars=64, width=300, help="Under another name it is saved as a new file."
    )
    st.button("Save Configuration", type="primary", on_click=editing.save, args=(workspace,))
    st.button("Validate Configuration", on_click=editing.validate, args=(workspace,))
    st.button("Reset", on_click=editing.reset, args=(workspace,), help="Back to what was loaded.")
with st.container():  # the tabs below would go back to the first one if what comes and goes moved them
    if editing.would_replace(workspace, edited.source, name := name.strip()):
        st.checkbox(
            "Replace it",
            key=editing.replace_key(name),
            help="Saves over what the configuration of this name holds now.",
        )
    editing.show_messages()
    editing.show_left(workspace)
st.markdown(editing.source_line(workspace, edited))
found = config_check.check(workspace, edited)
estimate_panel.show(workspace, found)
options, difference, text, files = st.tabs(["Options", "Difference", "YAML", "Files"])
with options:
    form.draw(edited.values, notes(workspace, edited, found))
with difference:
    config_compare.show(workspace, edited)
with text:
    config_files.show_yaml(workspace, found, name)
with files:
    config_files.show(workspace)
if saved:
    st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
