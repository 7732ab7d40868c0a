"""The evaluations of a run: the form that starts one, the list that selects one, and its scores, cached."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import streamlit as st

from pages.ui.shared import flash, job_progress
from pages.ui.shared.frame import error_sentence, plain
from trainer.audio import audio_formats
from trainer.dataset import importing
from trainer.evaluation import evaluations
from trainer.evaluation.evaluations import Evaluation, EvaluationFolder
from trainer.run import models
from trainer.run.runs import Run
from trainer.streams import composition, recordings
from trainer.streams.stream_set import ScoredStream, StreamSet
from trainer.system import durable
from trainer.system.workspace import Workspace

KEY = "evaluation"


@dataclass(frozen=True)
class ScoredEvaluation:
    """An evaluation with its streams and the scores of each: of those that count in the rates, and of all."""

    run: Run
    folder: EvaluationFolder
    evaluation: Evaluation
    streams: StreamSet
    heard: list[ScoredStream]
    every: list[ScoredStream]


@st.cache_resource(max_entries=200, show_spinner=False)
def _document(path: str, stamp: int) -> Evaluation | None:
    return durable.read_document(Evaluation, Path(path))


@st.cache_resource(max_entries=4, show_spinner="Reading the scores")
def _scores(path: str, stamp: int, _evaluation: Evaluation) -> tuple[StreamSet, list[ScoredStream]]:
    folder = EvaluationFolder(Path(path))
    every = evaluations.read_all_streams(folder, _evaluation)
    streams = durable.read_document(StreamSet, folder.streams_file)
    assert streams is not None  # or `read_all_streams` would have raised
    return streams, every


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
    streams, every = _scores(str(folder.path), _stamp(folder.document_file), evaluation)
    return ScoredEvaluation(run, folder, evaluation, streams, evaluations.rated(every), every)


def load(run: Run, evaluation: Evaluation) -> ScoredEvaluation | None:
    """As `read`; draws an error and returns None where `read` raises."""
    try:
        return read(run, evaluation)
    except (OSError, ValueError) as error:
        st.error(plain(error_sentence(error)))
        return None


COMPOSED_HELP = (
    "Words of the test split in quiet, in noise and in rooms, and all other speech and noise of the test split. "
    "Composed once, so every run is evaluated on the same streams."
)
RATIOS_HELP = (
    "One or more signal-to-noise ratios, from -20 to 60 dB. 10 is a quiet room; at 0, the noise is as loud as the word."
)
BEST = "best"
CHECKPOINT_HELP = "The best epoch of the run, or another checkpoint to compare it with."
PATHS_HELP = (
    f"Files or folders on this machine, one per line: {audio_formats.ANY} of any length, without the word, so that "
    "every detection is a false accept. If a label track NAME.txt or NAME.wav.txt (Audacity) is next to NAME.wav, it "
    "marks where the word is."
)


def show_form(workspace: Workspace, run: Run, busy: bool) -> None:
    """Draw the form; `busy` disables its button."""
    left, right = st.columns(2, gap="medium")
    with left:
        st.checkbox("Streams composed from the test split", True, key="evaluate_composed", help=COMPOSED_HELP)
        st.text_input("Signal-to-noise ratios (dB)", "10, 5", key="evaluate_ratios", help=RATIOS_HELP)
    with right:
        st.text_area(
            "Long recordings", key="evaluate_paths", height=100, placeholder="~/recordings/evenings", help=PATHS_HELP
        )
        if default := recordings.default(workspace):
            st.caption(f"If empty, {default[0].relative_to(workspace.root)} is used.")
    st.selectbox("Model", [BEST, *models.checkpoints(run)], key="evaluate_checkpoint", width=260, help=CHECKPOINT_HELP)
    st.button("Evaluate", type="primary", disabled=busy, on_click=_start, args=(workspace, run))


def _start(workspace: Workspace, run: Run) -> None:
    state = st.session_state
    try:
        arguments = [f"--snr={ratio:g}" for ratio in ratios(state["evaluate_ratios"])]
        roots = [*importing.allowed_roots(), workspace.root]
        arguments += [f"--stream={path}" for path in paths(state["evaluate_paths"], roots)]
    except ValueError as error:
        flash.error(job_progress.PLACE, error)
        return
    st.query_params.pop(KEY, None)  # so that the page shows the new one when it is done
    arguments += [] if state["evaluate_composed"] else ["--no-composed"]
    arguments += [] if state["evaluate_checkpoint"] == BEST else [f"--checkpoint={state['evaluate_checkpoint']}"]
    job_progress.start(workspace, "evaluate", [run.id, *arguments])


def ratios(text: str) -> tuple[float, ...]:
    """Signal-to-noise ratios in dB from text such as "10, 5". Raises ValueError."""
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ValueError(f"Enter the ratios as numbers, such as 10, 5; got {text!r:.40}.") from None
    return composition.checked_ratios(numbers)


def paths(text: str, roots: list[Path]) -> list[Path]:
    """Files and folders, one per line, that the page may read. Raises ValueError."""
    return [_allowed(importing.path_named(line), roots) for line in text.splitlines() if line.strip()]


def _allowed(path: Path, roots: list[Path]) -> Path:
    if not any(path.is_relative_to(root) for root in roots):
        raise ValueError(
            f"{path} is not inside {', '.join(map(str, roots))}. To allow other folders, start the app with "
            f"{importing.ROOTS_VARIABLE} set, or use the command line: python -m trainer evaluate RUN --stream PATH."
        )
    if not path.exists():
        raise ValueError(f"There is no file or folder {path}. Check the spelling.")
    return path
