"""A detector of tones near 600 Hz, the word of the tiny data set: built by hand, without torch, in no time."""

import hashlib
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.tiny import clip_of, ignore, write_wav
from trainer.detector.detector_file import (
    COLUMNS,
    MODEL,
    NAME,
    PROBABILITY,
    WAVEFORM,
    ColumnFacts,
    DetectorFile,
    Parity,
)
from trainer.detector.detector_file import Threshold as From
from trainer.evaluation import assessment
from trainer.evaluation.evaluations import Evaluation
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.streams import recordings
from trainer.streams.composition import Options
from trainer.system import durable
from trainer.system.workspace import Workspace

RATE, STEP, PER_WINDOW = 16000, 1600, 10
HERTZ = range(540, 680, 20)


def model_bytes(steepness: float = 30000.0, hertz: range = HERTZ) -> bytes:
    """Power at these frequencies in each tenth of a second; the probability follows from its highest in the last
    three."""
    time = np.arange(STEP) / RATE
    waves = np.array([wave(2 * np.pi * each * time) for each in hertz for wave in (np.sin, np.cos)])
    filters = np.array(waves * np.hanning(STEP), np.float32)[:, None] / STEP
    numbers = {"filters": filters, "one": np.array([1], np.int64), "late": np.array([-3], np.int64),
               "end": np.array([PER_WINDOW], np.int64), "scale": np.array([steepness], np.float32),
               "middle": np.array([4.0], np.float32), "most": np.array([10.0], np.float32)}  # fmt: skip
    nodes = [
        helper.make_node("Unsqueeze", [WAVEFORM, "one"], ["wave"]),
        helper.make_node("Conv", ["wave", "filters"], ["parts"], strides=[STEP]),
        helper.make_node("Mul", ["parts", "parts"], ["power"]),
        helper.make_node("ReduceSum", ["power", "one"], ["sum"], keepdims=1),
        helper.make_node("Transpose", ["sum"], [COLUMNS], perm=[0, 2, 1]),
        helper.make_node("Slice", [COLUMNS, "late", "end", "one"], ["last"]),
        helper.make_node("ReduceMax", ["last"], ["loudest"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["loudest", "scale"], ["scaled"]),
        helper.make_node("Min", ["scaled", "most"], ["bounded"]),
        helper.make_node("Sub", ["bounded", "middle"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], [PROBABILITY]),
    ]
    graph = helper.make_graph(
        nodes, "tone",
        [helper.make_tensor_value_info(WAVEFORM, TensorProto.FLOAT, ["n", STEP * PER_WINDOW])],
        [helper.make_tensor_value_info(PROBABILITY, TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def finish(run: Run) -> None:
    """Let this be the best model of a run."""
    write(run.model, run.id)
    best = Best(epoch=3, val_loss=0.1, val_accuracy=1.0, checkpoint="epoch-3.pt")
    run.checkpoints.mkdir(exist_ok=True)
    durable.replace_json(run.checkpoints / "best.json", best.model_dump())


def write_evening(workspace: Workspace) -> None:
    """Two minutes in which the model wakes falsely six times, ever less surely, where evaluations look for them."""
    rng = np.random.default_rng(5)
    faint = [np.append((0.2 - 0.01 * n) * clip_of(rng, 600.0), np.zeros(18 * RATE + 8000)) for n in range(6)]
    write_wav(workspace.root / recordings.DEFAULT / "evening.wav", np.concatenate(faint))


def evaluated(workspace: Workspace, run: Run) -> Evaluation:
    """Evaluate a run with this model on its test split and on that evening."""
    finish(run)
    write_evening(workspace)
    wanted = assessment.Request(Options(), recordings.default(workspace))
    return assessment.evaluate(workspace, run, wanted, ignore)


def write(folder: Path, run: str = "20260101-120000-0001", hertz: range = HERTZ, **changes: object) -> Path:
    """A model folder; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    data = model_bytes(hertz=hertz)
    (folder / MODEL).write_bytes(data)
    values = {
        "run": run, "label": "tones", "checkpoint": "epoch-3.pt", "epoch": 3, "model": "tone", "window_seconds": 1.0,
        "hop_ms": 100, "smoothing_seconds": 0.2, "threshold": 0.5, "threshold_from": From(source="default"),
        "refractory_seconds": 1.0, "files": {MODEL: hashlib.sha256(data).hexdigest()}, "versions": {},
        "columns": ColumnFacts(step_samples=STEP, context_samples=STEP, dropped=0, per_window=PER_WINDOW),
        "parity": Parity(largest_difference=2e-6, windows=512, within=True),
    }  # fmt: skip
    durable.replace_json(folder / NAME, DetectorFile(**(values | changes)).model_dump())
    return folder
