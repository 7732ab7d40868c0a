"""The verbs of the command line about models: export, detect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from trainer import audio_file, detector_file, documents, durable, processes, runs
from trainer.detector_file import DetectorFile
from trainer.documents import Best
from trainer.job import Report
from trainer.run_verbs import RUN
from trainer.runs import Run
from trainer.terminal import AS_JOB, Session, show, work_on
from trainer.workspace import PROJECT_ROOT, Workspace


def _is_current(run: Run, with_int8: bool) -> bool:
    """Whether the model folder of a run holds its best model, and the one of eight bits if that is wanted."""
    file = documents.read(DetectorFile, detector_file.path_in(run.model))
    best = documents.read(Best, run.checkpoints / "best.json")
    return bool(file and best and file.checkpoint == best.checkpoint and (file.int8 or not with_int8))


def _make(run: Run, with_int8: bool) -> None:
    """Export in a process of its own, the only kind that has torch. Raises ValueError with its last line."""
    command = [sys.executable, "-m", "trainer.engine.export", str(run.folder), *(["--int8"] if with_int8 else [])]
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=processes.environment_of_engine(), capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ValueError(last if done.returncode == 2 else f"Run {run.id} could not be exported: {last}")


@click.command()
@RUN
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--int8", "with_int8", is_flag=True, help="Also a model of eight bits, with what that costs.")
@AS_JOB
@click.pass_obj
def export(session: Session, run: str, folder: Path | None, with_int8: bool, as_job: bool) -> None:
    """Copy the best model of RUN (an id, an unambiguous start of one, or `latest`) to DIR, ready to listen with.

    Without DIR it is only made, and stays in the folder of the run.
    """

    def work(report: Report) -> tuple[dict[str, Any], str]:
        found = runs.find(session.workspace, run)
        report(0, 0, found.id)
        file = _current(found, with_int8)
        names, target = [*file.files, detector_file.NAME], folder or found.model
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            for name in names:
                durable.replace_bytes(folder / name, (found.model / name).read_bytes())
        told = [*detector_file.sentences(file), f"Written to {target}: {', '.join(names)}."]
        parts = file.model_dump(include={"parity", "int8"})
        return {"run": found.id, "folder": str(target), "files": names, **parts}, "\n".join(told)

    work_on(session, "export", as_job, work)


def _current(run: Run, with_int8: bool) -> DetectorFile:
    """What stands in the detector.json of a run, whose model is made first where it is missing. Raises ValueError."""
    if not _is_current(run, with_int8):
        _make(run, with_int8)
    file = documents.read(DetectorFile, detector_file.path_in(run.model))
    if file is None:
        raise ValueError(f"{run.model} is damaged; remove it and export again.")
    return file


def _model_path(workspace: Workspace, text: str) -> Path:
    """The model that `text` names: a folder or file that exists, else a run. Raises ValueError."""
    path = Path(text)
    if path.exists() or path.suffix == ".onnx":
        return path
    run = runs.find(workspace, text)
    if not run.model.is_dir():
        raise ValueError(f"Run {run.id} has no exported model yet: python -m trainer export {run.id} DIR makes it.")
    return run.model


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("audio", metavar="AUDIO...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--scores", "with_scores", is_flag=True, help="Also the score of every hop.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Instead of the model's own.")
@click.pass_obj
def detect(session: Session, model: str, audio: tuple[Path, ...], with_scores: bool, threshold: float | None) -> None:
    """Find the word in AUDIO files of any length with MODEL: a run, a model folder or an .onnx file."""
    from trainer import detector  # onnxruntime takes a third of a second to import

    loaded, answers, lines = detector.load(_model_path(session.workspace, model)), list[dict[str, Any]](), list[str]()
    for path in audio:
        try:
            scores = detector.scores_of_file(loaded, path)
        except audio_file.AudioRefused as error:
            raise ValueError(f"{path}: {error}") from None
        except FileNotFoundError:
            raise FileNotFoundError(f"There is no file {path}.") from None
        times, found = loaded.times(len(scores)), loaded.detections(scores, threshold)
        fired = [{"time": round(each.time, 3), "score": each.score} for each in found]
        answers.append({"file": str(path), "detections": fired})
        if with_scores:
            answers[-1] |= {"times": times.round(4).tolist(), "scores": scores.tolist()}
            lines += [f"{path}  {time:9.2f} s  {score:.4f}" for time, score in zip(times, scores, strict=True)]
        lines += [f"{path}  {each.time:9.2f} s  {each.score:.4f}  detected" for each in found]
        lines += [] if found else [f"{path}  nothing detected"]
    show(session, answers, "\n".join(lines))


VERBS = (export, detect)
