"""The evaluations of runs as the page needs them: which one is shown, and what was heard in it, read once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import streamlit as st

from pages.ui.shared.frame import plain
from trainer.evaluation import evaluations
from trainer.evaluation.evaluations import Evaluation, EvaluationFolder
from trainer.run.runs import Run
from trainer.streams.stream_set import Heard, StreamSet
from trainer.system import document_file

KEY = "evaluation"


@dataclass(frozen=True)
class Opened:
    """An evaluation with its streams and what was heard in each."""

    run: Run
    folder: EvaluationFolder
    evaluation: Evaluation
    streams: StreamSet
    heard: list[Heard]


@st.cache_resource(max_entries=200, show_spinner=False)
def _read(path: str, stamp: int) -> Evaluation | None:
    return document_file.read(Evaluation, Path(path))


@st.cache_resource(max_entries=4, show_spinner=False)
def _heard(path: str, stamp: int, _evaluation: Evaluation) -> tuple[StreamSet, list[Heard]]:
    folder = EvaluationFolder(Path(path))
    heard = evaluations.read_heard(folder, _evaluation)
    streams = document_file.read(StreamSet, folder.streams_file)
    assert streams is not None  # or `read_heard` would have said so
    return streams, heard


def _stamp(file: Path) -> int:
    return file.stat().st_mtime_ns


def all_of(run: Run) -> list[Evaluation]:
    """The finished evaluations of a run, newest first, as `evaluations.all_of`, but read once."""
    found = []
    for file in sorted((run.folder / "evaluation").glob("*/evaluation.json"), reverse=True):
        with suppress(OSError):  # its run may be removed just now
            found.append(_read(str(file), _stamp(file)))
    return [each for each in found if each]


def name_of(evaluation: Evaluation) -> str:
    """When, with which model, of what."""
    when = datetime.fromisoformat(evaluation.created).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{when} · epoch {evaluation.epoch} · {evaluation.streams_title}"


def _follow() -> None:
    st.query_params[KEY] = st.session_state["shown_evaluation"]


def choose(found: list[Evaluation]) -> Evaluation:
    """The one in the address, else the newest; a list of them where there are several."""
    by_id = {each.id: each for each in found}
    wanted = st.query_params.get(KEY, "")
    shown = by_id.get(wanted, found[0])
    st.session_state["shown_evaluation"] = shown.id
    st.selectbox(
        "Evaluation", list(by_id), format_func=lambda each: name_of(by_id[each]), key="shown_evaluation",
        on_change=_follow,
    )  # fmt: skip
    return shown


def load(run: Run, evaluation: Evaluation) -> Opened | None:
    """What was heard; a damaged evaluation is one sentence on the page."""
    folder = evaluations.folder_of(run, evaluation.id)
    try:
        streams, heard = _heard(str(folder.path), _stamp(folder.document_file), evaluation)
    except (OSError, ValueError) as error:
        st.error(plain(str(error)))
        return None
    return Opened(run, folder, evaluation, streams, heard)
