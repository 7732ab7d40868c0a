import streamlit as st

from pages.ui import draft, editing, form, frame
from pages.ui.draft import Draft
from trainer import config_file

workspace = frame.page("Configuration", "🎛️")
edited = draft.read(workspace)
st.session_state.setdefault("save_name", draft.free_name(workspace, edited.source))

with st.container(horizontal=True, vertical_alignment="bottom"):
    st.selectbox("Preset", config_file.presets(), key="chosen_preset", width=200)
    st.button("Load Preset", on_click=editing.load_chosen, args=(workspace, "preset"))
    saved = config_file.saved(workspace)
    st.selectbox("Saved configuration", saved, key="chosen_saved", width=240, placeholder="None saved yet")
    st.button("Load", on_click=editing.load_chosen, args=(workspace, "saved"), disabled=not saved)

with st.container(horizontal=True, vertical_alignment="bottom"):
    name = st.text_input("Name", key="save_name", max_chars=64, width=300)
    st.button("Save Configuration", type="primary", on_click=editing.save, args=(workspace, edited))
    st.button("Validate Configuration", on_click=editing.validate, args=(edited.values,))
    st.button("Reset", on_click=editing.load, args=(workspace, edited.source), help="Back to what was loaded.")
if editing.would_replace(workspace, edited.source, name.strip()):
    st.checkbox("Replace it", key="replace", help="A configuration of this name exists and is not the one loaded.")

editing.show_messages()
line = st.empty()
values = form.draw(edited.values)
if values != edited.values:
    edited = Draft(edited.source, values)
    editing.keep(workspace, edited)
line.markdown(editing.source_line(workspace, edited))
if saved:
    st.page_link(frame.TRAINING, label="Go to Training", icon=":material/arrow_forward:")
