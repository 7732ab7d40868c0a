import streamlit as st

from pages.ui import clip_tables, frame, jobs
from trainer.dataset import clips
from trainer.dataset.split import parse_ratios


def make_demo() -> None:
    phrase = " ".join(st.session_state["phrase"].split())
    if phrase:
        jobs.start(workspace, "demo", [f"--phrase={phrase}"])
    else:
        jobs.refuse("Type the words to train for first.")


def split_clips() -> None:
    ratios, seed = st.session_state["ratios"], st.session_state["seed"]
    try:
        parse_ratios(ratios)
    except ValueError as error:
        jobs.refuse(str(error))
    else:
        jobs.start(workspace, "split", [f"--ratios={ratios}", f"--seed={seed}"])


workspace = frame.page("Dataset", "📂")
busy = bool(jobs.running(workspace))
demo, own = st.columns(2, border=True)
with demo:
    st.subheader("Try it with demo data", anchor=False)
    st.caption(
        "Speech synthesised on this machine by many voices, with noise and rooms. It is synthetic and meant for trying "
        "the app: a detector for real use needs recordings of real people."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Phrase", "hey atlas", key="phrase", max_chars=60, width=220)
        st.button("Make demo data", on_click=make_demo, disabled=busy)
with own:
    st.subheader("Use your own clips", anchor=False)
    st.caption(
        "Put WAV, FLAC or OGG files into one folder for each label: `positive` (the word), `negative` (other speech), "
        "`hard_negative` (look-alikes), `background` (noise), `rirs` (rooms). A folder inside is a speaker."
    )
    st.code(str(workspace.raw), language=None, wrap_lines=True)
    st.button("Scan Datasets", type="primary", disabled=busy, on_click=jobs.start, args=(workspace, "scan", []))

jobs.show(workspace)
found = clips.load(workspace)
st.subheader("Clips", anchor=False)
if found is None:
    st.info("No clips are known yet. Make demo data, or put your own clips into the folders and scan them.")
else:
    clip_tables.show_scan(clips.summary(workspace, found))

st.subheader("Splits", anchor=False)
st.caption("A speaker and identical audio stay in one split, so that validation and test tell the truth.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.text_input("Ratios: train/val/test (%)", "70/15/15", key="ratios", width=220)
    st.number_input("Seed", 0, 2**31 - 1, 0, key="seed", width=160, help="Same seed, same clips: same splits.")
    st.button("Split Datasets", type="primary", on_click=split_clips, disabled=busy)
if clip_tables.show_splits(workspace):
    st.page_link(frame.CONFIGURATION, label="Go on to Configuration", icon=":material/arrow_forward:")
