"""Exports a model of a run: model.onnx, and detector.json with its digest, which is written last.

    python -m trainer.engine.export.export RUN_FOLDER CHECKPOINT [--int8]

Exits with 2 and one sentence when there is no model to export, or no clips to compare it on.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from onnx import ModelProto

from trainer.config.schema import Config
from trainer.detector import detector, detector_file, stream_scores
from trainer.detector.detector_file import DetectorFile, Parity, Threshold, Unsmoothed
from trainer.engine.data.windows import epoch_windows, validation_windows
from trainer.engine.export import graphs, parity, tflite_heads
from trainer.engine.export.parity import Heartbeat, Trained, open_run
from trainer.engine.features import embedding
from trainer.engine.training import validation
from trainer.engine.training.shipped_threshold import Shipped
from trainer.engine.training.validation import StreamPoints
from trainer.run import metrics, models, runs
from trainer.run.documents import Request
from trainer.run.engine_process import print_progress
from trainer.run.runs import Run
from trainer.streams import composition
from trainer.system import durable
from trainer.system.job import Report
from trainer.system.log_lines import say
from trainer.system.processes import exclusive_lock

STAGES = (
    "Writing the model",
    "Comparing it with the trained one",
    "Measuring its threshold",
    "Making it smaller (int8)",
)
"""What an export does, in this order; the last only if it is wanted."""
MOST_WINDOWS = 512
"""Evenly spaced validation windows on which the models are compared."""


def thresholds(trained: Trained, heartbeat: Heartbeat) -> dict[str, Any]:
    """The fields of detector.json about the thresholds for the run's false accepts per hour, from the long recordings
    of the validation stream where they suffice, else from the threshold prior where there is one, else from all of that
    stream, with its misses in it; 0.5 when that stream is never scored."""
    options = trained.config.training
    at_budget, shipped, unsmoothed = _measured(trained, heartbeat)
    chosen = shipped or (Shipped(at_budget) if at_budget else None)
    is_prior = shipped is not None
    threshold, origin = _origin(chosen, options.false_accepts_per_hour, is_prior)
    fields: dict[str, Any] = {"threshold": threshold, "threshold_from": origin}
    if _is_embedded(trained):
        threshold, origin = _origin(unsmoothed, options.false_accepts_per_hour, is_prior)
        fields["unsmoothed"] = Unsmoothed(threshold=threshold, threshold_from=origin)
    return fields


def _is_embedded(trained: Trained) -> bool:
    """Whether the network is a head on the speech embedding, which other programs compute too."""
    return trained.config.features.kind == "speech_embedding"


def _measured(trained: Trained, heartbeat: Heartbeat) -> StreamPoints:
    """The training's own measurement, unless an earlier version composed its stream differently or measured less."""
    metrics.read_to_end(tail := metrics.Tail(), trained.run.metrics_file)
    epoch, finished = models.epoch_of(trained.checkpoint)
    row = next((row for row in reversed(tail.epochs) if finished and row["epoch"] == epoch), {})
    points = StreamPoints(
        validation.point_of_row(row, "stream"),
        validation.shipped_of_row(row),
        validation.shipped_of_row(row, "unsmoothed"),
    )
    if row.get("stream_format") == composition.FORMAT and (points.unsmoothed or not _is_embedded(trained)):
        return points
    if not trained.config.training.stream_epochs:
        return StreamPoints(None, None, None)
    stream = validation.open_stream(trained.val, trained.run.workspace.features, heartbeat)
    return validation.measure_stream(trained.network, trained.val, stream, heartbeat)


def _origin(shipped: Shipped | None, per_hour: float, is_prior: bool) -> tuple[float, Threshold]:
    """A threshold and where it comes from; `is_prior`: without a bound it is the prior, not that of the budget."""
    if shipped is None:
        return 0.5, Threshold(source="default")
    point, bound = shipped.point, shipped.bound_per_hour
    return point.threshold, Threshold(
        source="prior" if is_prior and bound is None else "validation_stream",
        false_accepts_per_hour=per_hour,
        miss_rate=point.miss_rate,
        words=point.words,
        false_accepts=point.false_accepts,
        hours=point.hours,
        bound_per_hour=bound,
        long_hours=shipped.long_hours or None,
        long_false_accepts=shipped.long_false_accepts if shipped.long_hours else None,
    )


def chosen_thresholds(trained: Trained, folder: Path) -> dict[str, Any]:
    """The fields of detector.json with the thresholds that the user chose in an evaluation of this model, which a new
    export keeps; empty when there are none."""
    file = durable.read_document(DetectorFile, detector_file.path_in(folder))
    if file is None or file.threshold_from.source != "evaluation":
        return {}
    if file.checkpoint_sha256 != models.digest_of(trained.run, trained.checkpoint):
        return {}
    fields: dict[str, Any] = {"threshold": file.threshold, "threshold_from": file.threshold_from}
    return fields | ({"unsmoothed": file.unsmoothed} if file.unsmoothed else {})


def _wants_int8(folder: Path) -> bool:
    """Whether an earlier export had an 8-bit model, which a new export keeps."""
    file = durable.read_document(DetectorFile, detector_file.path_in(folder))
    return file is not None and file.int8 is not None


def _graphs(trained: Trained) -> dict[str, ModelProto]:
    """The ONNX models by file name: the whole detector and, on speech embeddings, the head for openWakeWord."""
    whole = {detector_file.MODEL: graphs.detector_graph(trained.config, trained.network)}
    if not _is_embedded(trained):
        return whole
    return whole | {detector_file.OPENWAKEWORD_MODEL: graphs.openwakeword_graph(trained.config, trained.network)}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _embedding_models(config: Config) -> dict[str, str]:
    """Digests of the public models that precede an openWakeWord head; empty for other features."""
    names = embedding.MODEL_FILES if config.features.kind == "speech_embedding" else ()
    return {name: _sha256(embedding.model_file(name).read_bytes()) for name in names}


def export(run: Run, checkpoint: str, report: Report, with_int8: bool = False) -> DetectorFile:
    """Write, or replace, the folder of a model. Raises ValueError, FileNotFoundError, OSError."""
    trained, folder = open_run(run, checkpoint, report), models.folder_of(run, checkpoint)
    with_int8 = with_int8 or _wants_int8(folder)
    stages = iter(STAGES if with_int8 else STAGES[:3])

    def begin_stage() -> Heartbeat:
        doing = next(stages)
        beat = functools.partial(report, STAGES.index(doing), len(STAGES if with_int8 else STAGES[:3]), doing)
        beat()
        return beat

    begin_stage()
    onnx_models = _graphs(trained)
    whole, heartbeat = onnx_models[detector_file.MODEL], begin_stage()
    windows = parity.evenly_spaced(validation_windows(trained.val.array, trained.config), MOST_WINDOWS)
    scores = parity.score_exported(whole, trained, windows, heartbeat)
    agreement = parity.compare(parity.score_trained(trained, windows, heartbeat), scores)
    chosen, heartbeat = chosen_thresholds(trained, folder), begin_stage()
    if not chosen or (_is_embedded(trained) and "unsmoothed" not in chosen):
        chosen = thresholds(trained, heartbeat) | chosen
    file = describe(trained, agreement, chosen)
    file = file.model_copy(update={"core_share": detector.core_share(detector.of_graph(file, whole, threads=1))})
    if with_int8:
        heartbeat = begin_stage()
        samples = parity.evenly_spaced(
            epoch_windows(trained.train.array, trained.config, 1), graphs.CALIBRATION_WINDOWS
        )
        small = graphs.quantize(whole, parity.waves(trained.train, samples))
        int8_scores = parity.score_exported(small, trained, windows, heartbeat)
        points = parity.stream_points((whole, small), file, trained, heartbeat)
        cost = parity.int8_cost((scores, int8_scores), windows.positive, (whole.ByteSize(), small.ByteSize()), points)
        onnx_models[detector_file.INT8_MODEL], file = small, file.model_copy(update={"int8": cost})
    files = {name: model.SerializeToString() for name, model in onnx_models.items()}
    if detector_file.OPENWAKEWORD_MODEL in files:
        files[detector_file.OPENWAKEWORD_TFLITE] = tflite_heads.of_network(trained.network)
    file = file.model_copy(update={"files": {name: _sha256(data) for name, data in files.items()}})
    return _write(trained, folder, files, file)


def describe(trained: Trained, agreed: Parity, thresholds: dict[str, Any]) -> DetectorFile:
    """The contents of detector.json, with the fields about thresholds and without the files."""
    run, config, checkpoint = trained.run, trained.config, trained.checkpoint
    return DetectorFile(
        run=run.id,
        label=runs.label(run, durable.read_document(Request, run.request_file)),
        checkpoint=checkpoint,
        checkpoint_sha256=models.digest_of(run, checkpoint),
        epoch=models.epoch_of(checkpoint)[0],
        model=config.model.name,
        window_seconds=config.data.window_seconds,
        hop_ms=1000 * validation.hop_seconds(config),
        smoothing_seconds=stream_scores.SMOOTHING_SECONDS,
        **thresholds,
        refractory_seconds=stream_scores.REFRACTORY_SECONDS,
        columns=graphs.column_facts(config, trained.val.front_end),
        files={},
        embedding_models=_embedding_models(config),
        parity=agreed,
        versions={name: version(name) for name in ("torch", "onnx", "onnxruntime")},
    )


def _write(trained: Trained, folder: Path, files: dict[str, bytes], file: DetectorFile) -> DetectorFile:
    """Write the models and then detector.json, without which they are invalid; returns its contents. Raises OSError.

    A threshold that the user chose during the export is kept.
    """
    if not (run := trained.run.folder).is_dir():  # else the run could not be restored from the trash
        raise FileNotFoundError(f"The run in {run} was removed meanwhile, so its model is not kept.")
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(detector_file.lock_in(folder)):
        for name, data in files.items():
            durable.replace_bytes(folder / name, data)
        file = file.model_copy(update=chosen_thresholds(trained, folder))
        durable.replace_json(detector_file.path_in(folder), file.model_dump())
        for path in (*folder.glob("*.onnx"), *folder.glob("*.tflite"), *folder.glob("*.tmp.*")):
            if path.name not in files:
                path.unlink(missing_ok=True)
    return file


def log_export(file: DetectorFile) -> None:
    """Log what was exported and its quality."""
    for sentence in detector_file.sentences(file):
        say(sentence)


def main(arguments: Sequence[str]) -> int:
    try:
        log_export(export(Run(Path(arguments[0])), arguments[1], print_progress, "--int8" in arguments))
    except (ValueError, FileNotFoundError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)  # noqa: T201 - the last line is what the caller tells
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
