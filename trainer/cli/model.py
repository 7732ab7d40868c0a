"""Commands about models: evaluate, export, detect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trainer.cli import terminal
from trainer.cli.terminal import AS_JOB, Failure, Session, complain, show, work_on
from trainer.detector import detector_file, targets
from trainer.detector.detector_file import DetectorFile
from trainer.detector.targets import TARGETS, Target
from trainer.evaluation import headline, operating_point, point_text
from trainer.run import models, notifications, runs
from trainer.run.runs import Run
from trainer.system import display_text, durable, private, regular_file
from trainer.system.job import Report
from trainer.system.workspace import Workspace

RUN_NAME = click.argument("name", metavar="RUN")


@click.command()
@RUN_NAME
@click.option(
    "--stream",
    "streams",
    metavar="PATH",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A long recording or a folder of them, in any supported format and without the word, unless an Audacity label "
    "track (NAME.txt or NAME.wav.txt beside NAME.wav) gives its times. Default: data/streams/false_accepts, if it "
    "exists.",
)
@click.option("--no-composed", is_flag=True, help="Do not compose streams from the test split.")
@click.option(
    "--snr",
    "snrs",
    multiple=True,
    type=float,
    default=(10.0, 5.0),
    show_default=True,
    help="Signal-to-noise ratio in dB of the streams with noise (-20 to 60).",
)
@click.option(
    "--hard/--no-hard",
    "hard",
    default=True,
    show_default=True,
    help="Also the words on a narrow channel, over talk and music, far, in sentences, fast, slow; not in the rates.",
)
@click.option("--checkpoint", default="best", show_default=True, help="best, last or the name of a checkpoint.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the composed streams.")
@click.option(
    "--budget",
    type=click.FloatRange(0, 1000, min_open=True),
    default=0.5,
    show_default=True,
    help="Allowed false accepts per hour, for the threshold in the result.",
)
@AS_JOB
@click.pass_obj
def evaluate(
    session: Session,
    name: str,
    streams: tuple[Path, ...],
    no_composed: bool,
    snrs: tuple[float, ...],
    hard: bool,
    checkpoint: str,
    seed: int,
    budget: float,
    as_job: bool,
) -> None:
    """Evaluate the model of RUN on streams: miss rate against false accepts per hour.

    The streams are composed from the test split (clean, in noise and in rooms) and added to long recordings. If a
    recording cannot be read, it is reported, the others are used, and the exit code is 2. RUN is an id, an unambiguous
    start of one, or `latest`.
    """
    from trainer.evaluation import assessment, evaluations, operating_point
    from trainer.evaluation import budget as budgets
    from trainer.streams import recordings
    from trainer.streams.composition import Options, checked_ratios

    left_out = list[str]()

    def work(report: Report) -> tuple[dict[str, Any], str]:
        run = runs.find(session.workspace, name)
        options = None if no_composed else Options(snrs_db=checked_ratios(snrs), seed=seed, hard=hard)
        request = assessment.Request(options, streams or recordings.default(session.workspace), checkpoint)
        evaluation = assessment.evaluate(session.workspace, run, request, report)
        folder = evaluations.folder_of(run, evaluation.id)
        left_out.extend(budgets.left_out(folder))
        cost = budgets.cost_of(folder, evaluation, budget)
        if as_job:
            return {}, " ".join([f"Run {run.id}: {cost.text}", *budgets.notes(folder)])
        model = models.model_with(run, evaluation.model_sha256)
        point = operating_point.of_model(run, model[0]) if model else None
        arguments = (folder, evaluation, budget, cost, point)
        return budgets.report_document(*arguments), budgets.report_text(*arguments)

    work_on(session, "evaluate", as_job, work)
    if left_out and not as_job:
        complain("\n".join(left_out))
        raise click.exceptions.Exit(2)


if TYPE_CHECKING:
    from trainer.detector.detector import Detector

STANDARD_INPUT = Path("-")


@click.command()
@RUN_NAME
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--checkpoint", default="best", show_default=True, help="best, last or the name of a checkpoint.")
@click.option("--int8", "with_int8", is_flag=True, help="Also export an int8 model and compare it.")
@click.option(
    "--for",
    "place",
    type=click.Choice(list(TARGETS)),
    help="Write exactly the files that one place loads, and say what to do there.",
)
@AS_JOB
@click.pass_obj
def export(
    session: Session,
    name: str,
    folder: Path | None,
    checkpoint: str,
    with_int8: bool,
    place: str | None,
    as_job: bool,
) -> None:
    """Export the best model of RUN (an id, an unambiguous start of one, or `latest`) to DIR, ready to use.

    Without DIR it stays in the folder of the run.
    """

    def take_away(report: Report) -> tuple[dict[str, Any], str]:
        if folder is None:
            raise ValueError(f"Name a folder for the files: export {name} DIR --for {place}.")
        run = runs.find(session.workspace, name)
        return _take_away(run, TARGETS[str(place)], folder, checkpoint, with_int8, report)

    def work(report: Report) -> tuple[dict[str, Any], str]:
        run = runs.find(session.workspace, name)
        model = models.tried_model_of(run, checkpoint, with_int8, report)
        file = durable.read_document(DetectorFile, detector_file.path_in(model))
        if file is None:
            raise ValueError(f"{model} changed during the export. Export it again.")
        names, target = [*file.files, detector_file.NAME], folder or model
        if folder:
            _write(folder, {each: regular_file.read_bytes(model / each) for each in names})
        point = operating_point.of_model(run, model)
        document = {
            "run": run.id,
            "checkpoint": file.checkpoint,
            "folder": str(target),
            "files": names,
            "threshold": file.threshold,
            **headline.documents(point),
        }
        lines = [*detector_file.sentences(file), *(point_text.lines(point) if point else [])]
        lines.append(f"Written to {target}: {', '.join(names)}.")
        return document | file.model_dump(include={"parity", "int8"}), "\n".join(lines)

    work_on(session, "export", as_job, take_away if place else work)


def _take_away(
    run: Run, target: Target, folder: Path, checkpoint: str, with_int8: bool, report: Report
) -> tuple[dict[str, Any], str]:
    """Write the files for one place; the document and the text about them. Raises ValueError, OSError."""
    model = models.tried_model_of(run, checkpoint, with_int8, report)
    file = durable.read_document(DetectorFile, detector_file.path_in(model))
    if file is None:
        raise ValueError(f"{model} changed during the export. Export it again.")
    package = targets.package(target, model, file, runs.word(run))
    _write(folder, package.files)
    point = operating_point.of_model(run, model, name=target.model)
    document = {
        "run": run.id,
        "checkpoint": file.checkpoint,
        "for": target.name,
        "folder": str(folder),
        "files": list(package.files),
        "threshold": package.threshold,
        "steps": list(package.steps),
        **headline.documents(point),
    }
    steps = [f"{number}. {step}" for number, step in enumerate(package.steps, 1)]
    lines = [f"For {target.title}, written to {folder}: {', '.join(package.files)}.", *steps]
    return document, "\n".join([*lines, *(point_text.lines(point) if point else [])])


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    with private.as_user_shares():
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            durable.replace_bytes(folder / name, data, 0o666)


def model_path(workspace: Workspace, text: str) -> Path:
    """The model that `text` names: a folder or file that exists, else a run. Raises ValueError."""
    path = Path(text)
    if path.exists() or path.suffix == ".onnx":
        return path
    return models.model_of(runs.find(workspace, text))


DEVICE = click.option(
    "--device",
    default="",
    help="Index of a sound device or a part of its name, or arecord or parec to use that program; by default the "
    "device of the system.",
)


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("audio", metavar="[AUDIO... | -]", nargs=-1, type=click.Path(path_type=Path))
@DEVICE
@click.option("--scores", "with_scores", is_flag=True, help="Also print the score of every hop.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Threshold; by default that of the model.")
@click.option("--run", "command", default="", help="Run this command at each detection.")
@click.pass_obj
def detect(
    session: Session,
    model: str,
    audio: tuple[Path, ...],
    device: str,
    with_scores: bool,
    threshold: float | None,
    command: str,
) -> None:
    """Detect the word in AUDIO files of any length with MODEL: a run, a model folder or an .onnx file.

    If a file cannot be read, it is reported, the others are processed, and the exit code is 2.

    Without AUDIO it listens to the sound device until Ctrl-C, with - to raw samples (16 bits, 16 kHz, mono) on standard
    input. It prints each detection at once; with --json each line is a document. The command of --run finds the
    detection in the variables WAKEWORD_LABEL, WAKEWORD_TIME and WAKEWORD_SCORE.
    """
    from trainer.detector import detector, listening, microphone  # onnxruntime takes a third of a second to import

    words, live = notifications.checked_command(command), not audio or audio == (STANDARD_INPUT,)
    if words and not live:
        raise ValueError("--run is for live audio: leave out AUDIO, or write - for standard input.")
    loaded = detector.load(model_path(session.workspace, model))
    threshold = loaded.file.threshold if threshold is None else threshold
    if not live:
        _detect_in_files(session, loaded, audio, threshold, with_scores)
        return
    pipe = "python -m trainer detect MODEL -"
    pieces = microphone.of_standard_input(pipe) if audio else microphone.of_device(device, pipe)
    program = listening.Program(words, loaded.file.label, complain)
    complain(f"Listening for {loaded.file.label} at threshold {threshold:.4f}. Press Ctrl-C to stop.")
    with suppress(KeyboardInterrupt):
        heard = program.watched(pieces)
        for line in listening.live(loaded, heard, threshold, with_scores, session.as_json, program.start):
            click.echo(line if session.as_json else display_text.clean(line))  # at once, also into a pipe
        program.finish()


def _detect_in_files(
    session: Session, loaded: Detector, paths: Sequence[Path], threshold: float, with_scores: bool
) -> None:
    """Print the detections in each file; the exit code is 2 if one cannot be read."""
    from trainer.detector import listening

    documents, failed = list[dict[str, Any]](), False
    for path in paths:
        result = terminal.attempt(str(path), partial(listening.in_file, loaded, path, threshold, with_scores))
        if isinstance(result, Failure):
            failed = True
            complain(str(result))
            documents.append({"file": str(path), "error": result.message})
            continue
        documents.append(result[0])
        if not session.as_json:  # at once: the next recording may take minutes
            show(session, None, "\n".join(result[1]))
    if session.as_json:
        show(session, documents, "")
    if failed:
        raise click.exceptions.Exit(2)


VERBS = (evaluate, export, detect)
