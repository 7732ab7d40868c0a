"""The verbs of the command line about models: export, detect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trainer import audio_file, detector_file, durable, model_folder, runs
from trainer.run_verbs import RUN
from trainer.terminal import Session, show
from trainer.workspace import Workspace


@click.command()
@RUN
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--int8", "with_int8", is_flag=True, help="Also a model of eight bits, with what that costs.")
@click.pass_obj
def export(session: Session, run: str, folder: Path, with_int8: bool) -> None:
    """Copy the best model of RUN (an id, an unambiguous start of one, or `latest`) to DIR, ready to listen with."""
    found = runs.find(session.workspace, run)
    file = model_folder.ensure(found, with_int8)
    folder.mkdir(parents=True, exist_ok=True)
    names = [*file.files, detector_file.NAME]
    for name in names:
        durable.replace_bytes(folder / name, (found.model / name).read_bytes())
    document = {"run": found.id, "folder": str(folder), "files": names, **file.model_dump(include={"parity", "int8"})}
    show(session, document, "\n".join([*detector_file.sentences(file), f"Written to {folder}: {', '.join(names)}."]))


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
