"""The checkpoints and exported models of a run, and which epoch is the best.

The model of the best checkpoint lies in `model/`, those of others in `models/<checkpoint>/`.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

from trainer.detector import detector_file
from trainer.detector.detector_file import MODEL, DetectorFile
from trainer.run import engine_process
from trainer.run.documents import Best
from trainer.run.metrics import Row
from trainer.run.runs import Run
from trainer.system import durable, regular_file
from trainer.system.job import Report

MEASURES = {"robust_loss": "robust loss", "val_loss": "validation loss", "f1": "F1", "miss_rate": "miss rate"}

LEAST_GAIN = 0.008
"""The robust loss must fall by this share: smaller gains at the end of a training are outweighed by overfitting to
wrong labels of training clips (measured: docs/experiments.md)."""


def is_better(row: Row, best: Best, by: str) -> bool:
    """Whether an epoch's row beats the best so far; a row with the measure beats one without."""
    new, old = row.get(by), getattr(best, by)
    if (new is None) != (old is None):
        return old is None
    if new is None or old is None:
        return bool(row["val_loss"] < best.val_loss)
    if by == "robust_loss":
        return bool(new < old * (1 - LEAST_GAIN))
    return bool(((-new if by == "f1" else new), row["val_loss"]) < ((-old if by == "f1" else old), best.val_loss))


def best_of_row(row: Row, checkpoint: str, by: str = "") -> Best:
    """The epoch of this row as the best one by this measure."""
    named = {name: row.get(name) for name in ("epoch", "val_loss", "val_accuracy", "f1", "miss_rate", "robust_loss")}
    return Best(**named, checkpoint=checkpoint, by=by)


def describe_measure(by: object) -> str:
    """A measure for a sentence, such as `lowest validation loss (...)`; the name of the option if it is unknown."""
    if by not in MEASURES:
        return "the measure of `training.best_by`"
    return f"{'highest' if by == 'f1' else 'lowest'} {MEASURES[str(by)]} (`training.best_by: {by}`)"


def describe_best(best: Best, by: str) -> str:
    """The measures of the best epoch, first the one that chose it, if known."""
    value = getattr(best, by) if by in MEASURES else None
    if by == "val_loss" or value is None:
        return f"validation loss {best.val_loss:.4f}"
    shown = f"{value:.4f}" if by == "robust_loss" else f"{100 * value:.2f} %"
    return f"{MEASURES[by]} {shown}, validation loss {best.val_loss:.4f}"


CHECKPOINT = re.compile(r"epoch-(\d{5})(-batch-\d{7})?\.pt")


def checkpoints(run: Run) -> list[str]:
    """The checkpoints of a run, oldest first."""
    return sorted(mark.stem for mark in run.checkpoints.glob("epoch-*.pt.json") if CHECKPOINT.fullmatch(mark.stem))


def best_checkpoint(run: Run) -> str:
    """The checkpoint of the best model. Raises ValueError when there is none."""
    found = durable.read_document(Best, run.checkpoints / "best.json")
    if found is None:
        raise ValueError(f"Run {run.id} has no best model yet: no epoch was finished.")
    return found.checkpoint


def checkpoint_of(run: Run, text: str) -> str:
    """The checkpoint that `text` names: `best`, `last`, or the name of an existing or exported one, with or without
    `.pt`. Raises ValueError."""
    if text == "best":
        return best_checkpoint(run)
    every = checkpoints(run)
    if text == "last" and every:
        return every[-1]
    name = text.removesuffix(".pt") + ".pt"
    if name in every or (CHECKPOINT.fullmatch(name) and detector_file.path_in(_folder_besides(run, name)).is_file()):
        return name
    names = ", ".join(["best", "last", *(each.removesuffix(".pt") for each in every)]) if every else "none yet"
    raise ValueError(f"Run {run.id} has no checkpoint {text!r}; it has {names}.")


def epoch_of(checkpoint: str) -> tuple[int, bool]:
    """The epoch (1, 2, ...) of a checkpoint, and whether it was finished. Raises ValueError for another name."""
    found = CHECKPOINT.fullmatch(checkpoint)
    if found is None:
        raise ValueError(f"{checkpoint!r} is no checkpoint; they are named like epoch-00012.pt.")
    return int(found[1]), found[2] is None


def digest_of(run: Run, checkpoint: str) -> str:
    """The sha256 of a checkpoint from its mark; empty when it was deleted."""
    facts = durable.read_json(run.checkpoints / f"{checkpoint}.json")
    return str(facts.get("sha256", "")) if isinstance(facts, dict) else ""


def _folder_besides(run: Run, checkpoint: str) -> Path:
    return run.folder / "models" / checkpoint.removesuffix(".pt")


def folder_of(run: Run, checkpoint: str) -> Path:
    """The folder for the exported model of a checkpoint; it may not exist yet."""
    found = durable.read_document(Best, run.checkpoints / "best.json")
    return run.model if found and found.checkpoint == checkpoint else _folder_besides(run, checkpoint)


def model_with(run: Run, model_sha256: str) -> tuple[Path, DetectorFile] | None:
    """The folder and the document of the model with this digest; None when the run no longer has it."""
    files = [detector_file.path_in(run.model), *sorted((run.folder / "models").glob(f"*/{detector_file.NAME}"))]
    read = ((path.parent, durable.read_document(DetectorFile, path)) for path in files)
    return next(((folder, file) for folder, file in read if file and file.files.get(MODEL) == model_sha256), None)


def _is_whole(run: Run, checkpoint: str, folder: Path, with_int8: bool) -> bool:
    """Whether a folder holds the intact model of this checkpoint, and the int8 model if wanted."""
    file = durable.read_document(DetectorFile, detector_file.path_in(folder))
    digest = digest_of(run, checkpoint)
    if file is None or file.checkpoint != checkpoint or (digest and file.checkpoint_sha256 != digest):
        return False
    if with_int8 and file.int8 is None:
        return False
    try:
        found = {name: hashlib.sha256(regular_file.read_bytes(folder / name)).hexdigest() for name in file.files}
    except OSError:
        return False
    return found == file.files


def _make(run: Run, checkpoint: str, with_int8: bool, report: Report) -> None:
    """Export in a process of its own, which imports torch. Raises ValueError with its last line."""
    report(0, 0, "Starting the export")
    command = ["trainer.engine.export.export", str(run.folder), checkpoint, *["--int8"] * with_int8]
    done = engine_process.run(run.workspace, command, report)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ValueError(last if done.returncode == 2 else f"Run {run.id} could not be exported: {last}")


def _no_report(done: int, total: int, doing: str) -> None:
    """Progress that nobody watches."""


def tried_model_of(run: Run, checkpoint: str = "best", with_int8: bool = False, report: Report = _no_report) -> Path:
    """`model_of` for files that leave the run: a model that is refused is exported again and, where that is possible,
    so is one of an earlier version, which lacks the head for Home Assistant. Raises ValueError."""
    from trainer.detector import onnx_file  # onnx takes a while to import

    folder = model_of(run, checkpoint, with_int8, report)
    file = durable.read_document(DetectorFile, detector_file.path_in(folder))
    heads = {detector_file.OPENWAKEWORD_MODEL, detector_file.OPENWAKEWORD_TFLITE}
    if file and heads & file.files.keys() and not heads <= file.files.keys():
        with suppress(ValueError):  # without its clips it stays as it is
            _make(run, checkpoint_of(run, checkpoint), with_int8, report)
    report(0, 0, "Trying the exported model")
    try:
        for path in sorted(folder.glob("*.onnx")):
            onnx_file.read(path)
    except onnx_file.ModelRefused as refused:
        try:
            _make(run, checkpoint_of(run, checkpoint), with_int8, report)
        except ValueError as error:
            raise ValueError(f"{refused} It cannot be made anew: {error}") from None
    return folder


def model_of(run: Run, checkpoint: str = "best", with_int8: bool = False, report: Report = _no_report) -> Path:
    """The folder with the exported model of a checkpoint (see `checkpoint_of`), which is exported when it is missing,
    damaged, or of another model. Raises ValueError with one sentence."""
    name = checkpoint_of(run, checkpoint)
    folder = folder_of(run, name)
    if not _is_whole(run, name, folder, with_int8):
        _make(run, name, with_int8, report)
    return folder
