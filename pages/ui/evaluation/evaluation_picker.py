"""The evaluations of a run: which one the page shows, and its scores, read once for all browsers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import streamlit as st

from pages.ui.shared.frame import os_sentence, plain
from trainer.evaluation import evaluations
from trainer.evaluation.evaluations import Evaluation, EvaluationFolder
from trainer.run.runs import Run
from trainer.streams.stream_set import Heard, StreamSet
from trainer.system import document_file

KEY = "evaluation"


@dataclass(frozen=True)
class ScoredEvaluation:
    """An evaluation with its streams and the scores of each."""

    run: Run
    folder: EvaluationFolder
    evaluation: Evaluation
    streams: StreamSet
    heard: list[Heard]


@st.cache_resource(max_entries=200, show_spinner=False)
def _document(path: str, stamp: int) -> Evaluation | None:
    return document_file.read(Evaluation, Path(path))


@st.cache_resource(max_entries=4, show_spinner=False)
def _scores(path: str, stamp: int, _evaluation: Evaluation) -> tuple[StreamSet, list[Heard]]:
    folder = EvaluationFolder(Path(path))
    heard = evaluations.read_heard(folder, _evaluation)
    streams = document_file.read(StreamSet, folder.streams_file)
    assert streams is not None  # or `read_heard` would have raised
    return streams, heard


def _stamp(file: Path) -> int:
    return file.stat().st_mtime_ns


def all_of(run: Run) -> list[Evaluation]:
    """The finished evaluations of a run, newest first: `evaluations.all_of` with a cache."""
    documents = []
    for file in sorted((run.folder / "evaluation").glob("*/evaluation.json"), reverse=True):
        with suppress(OSError):  # the run may have just been removed
            documents.append(_document(str(file), _stamp(file)))
    return [each for each in documents if each]


def name_of(evaluation: Evaluation) -> str:
    """Date, epoch and streams of an evaluation."""
    when = datetime.fromisoformat(evaluation.created).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{when} · epoch {evaluation.epoch} · {evaluation.streams_title}"


def _follow() -> None:
    st.query_params[KEY] = st.session_state["shown_evaluation"]


def choose(listed: list[Evaluation]) -> Evaluation:
    """Draw a list of these evaluations; the chosen one is in the address, and is the first by default."""
    by_id = {each.id: each for each in listed}
    shown = by_id.get(st.query_params.get(KEY, ""), listed[0])
    st.session_state["shown_evaluation"] = shown.id
    st.selectbox(
        "Evaluation",
        list(by_id),
        format_func=lambda each: name_of(by_id[each]),
        key="shown_evaluation",
        on_change=_follow,
    )
    return shown


def read(run: Run, evaluation: Evaluation) -> ScoredEvaluation:
    """An evaluation with its scores. Raises ValueError when it is damaged, OSError."""
    folder = evaluations.folder_of(run, evaluation.id)
    streams, heard = _scores(str(folder.path), _stamp(folder.document_file), evaluation)
    return ScoredEvaluation(run, folder, evaluation, streams, heard)


def load(run: Run, evaluation: Evaluation) -> ScoredEvaluation | None:
    """As `read`; an error is one sentence on the page."""
    try:
        return read(run, evaluation)
    except OSError as error:
        st.error(plain(os_sentence(error)))
    except ValueError as error:
        st.error(plain(str(error)))
    return None
