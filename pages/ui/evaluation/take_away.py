"""A card for each place where an exported model can run: its files, threshold and quality there, and the steps."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import streamlit as st

from pages.ui.shared import job_progress, metrics
from pages.ui.shared.frame import error_sentence, plain
from trainer.detector import detector_file, targets
from trainer.detector.detector_file import DetectorFile
from trainer.detector.targets import TARGETS, Package, Target
from trainer.evaluation import operating_point, point_text
from trainer.evaluation.operating_point import OperatingPoint
from trainer.run import runs
from trainer.run.runs import Run
from trainer.system.workspace import Workspace


def show(workspace: Workspace, run: Run, file: DetectorFile) -> None:
    """The section with a card for each place."""
    st.header("Take it away", anchor=False)
    st.caption("Where will it run? Each place gets the files that it loads, with a threshold for how it listens.")
    if _is_earlier(file):
        st.button(
            "Export the model again",
            key="export_for_targets",
            on_click=job_progress.start,
            args=(workspace, "export", [run.id]),
            disabled=bool(job_progress.running(workspace, job_progress.MODEL_VERBS)),
            help="An earlier version exported it, without the file for Home Assistant.",
        )
    with st.grid(min_column_width=360, gap="small"):
        for target in TARGETS.values():
            with st.container(border=True, height="stretch", key=f"target_{target.name}"):
                _show_card(run, file, target)


def _is_earlier(file: DetectorFile) -> bool:
    return detector_file.OPENWAKEWORD_MODEL in file.files and detector_file.OPENWAKEWORD_TFLITE not in file.files


def _show_card(run: Run, file: DetectorFile, target: Target) -> None:
    st.subheader(target.title, anchor=False)
    st.caption(target.needs)
    try:
        package = targets.package(target, run.model, file, runs.word(run))
    except (OSError, ValueError) as error:
        st.info(plain(error_sentence(error)))
        return
    point = operating_point.of_model(run, run.model, metrics.measure, target.model)
    share = file.core_share if target.is_detector else None
    st.markdown("  \n".join(plain(line) for line in facts(package, point, share)))
    st.download_button(
        f"Download for {target.title}",
        lambda: zipped(targets.package(target, run.model, file, runs.word(run)).files),
        f"{package.stem}-{target.name}.zip",
        "application/zip",
        key=f"download_{target.name}",
        on_click="ignore",
    )
    with st.expander("What to do there"):
        st.markdown("\n".join(f"{number}. {step}" for number, step in enumerate(package.steps, 1)))


def facts(package: Package, point: OperatingPoint | None, core_share: float | None) -> list[str]:
    """Files and size, the threshold, the quality at it as the place hears it, and the processor time."""
    size, threshold = sum(map(len, package.files.values())), f"{package.threshold:.4f}"
    if float(threshold) < package.threshold or threshold == "1.0000":  # never told lower than it is
        threshold = f"{package.threshold}"
    shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    lines = [f"{', '.join(package.files)}: {shown}", f"Threshold {threshold}", _quality(point)]
    if core_share is not None:
        lines.append(f"Takes {100 * core_share:.2g} % of a core of the machine that exported it")
    return lines


def _quality(point: OperatingPoint | None) -> str:
    """What was measured at the threshold; nothing is promised of what was not."""
    if point is None or point.measured_on is None:
        return "Misses and false accepts: not measured"
    accepts = point_text.in_hours(point.false_accepts, point.hours)
    missed = ""
    if point.words and point.misses is not None:
        missed = f"misses {point.misses:,} of {point_text.words(point)} ({point_text.percent(point.miss_rate)})"
    told = "; ".join(filter(None, [missed, accepts and f"false accepts: {accepts}"])) or "not measured"
    where = "an evaluation" if point.measured_on == "evaluation" else "the validation stream"
    return f"On {where}: {told}"


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The files by name as a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
