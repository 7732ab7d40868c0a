"""Models of strangers that hang, fill the memory, or are no detectors; a detector.json vouches for each."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from trainer.detector.detector_file import COLUMNS, MODEL, PROBABILITY, WAVEFORM, DetectorFile
from trainer.system import durable

HUGE = 1 << 40
TURN = helper.make_node("Transpose", [COLUMNS], ["turned"], perm=[0, 2, 1])


def sealed(model: Path, folder: Path, data: bytes, **changes: object) -> Path:
    """A model folder whose detector.json vouches for these bytes, as a stranger could write it."""
    shutil.copytree(model, folder)
    (folder / MODEL).write_bytes(data)
    file = durable.read_document(DetectorFile, folder / "detector.json")
    changes["files"] = {MODEL: hashlib.sha256(data).hexdigest()}
    durable.replace_json(folder / "detector.json", file.model_copy(update=changes).model_dump())
    return folder


def _value(name: str, shape: list | None = None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def with_nodes(model: Path, nodes: list, constants: dict[str, object] | None = None, **more: object) -> bytes:
    """The model of tones with these nodes after its own: they make `extra`, for which the probability waits."""
    found = onnx.load(model / MODEL)
    found.graph.node[-1].output[0] = "plain"
    constants = {"zero": np.float32(0), "nothing": np.int64(0)} | (constants or {})
    found.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    found.graph.node.extend(nodes)
    found.graph.node.extend([
        helper.make_node("ReduceMax", ["extra"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "zero"], ["none"]),
        helper.make_node("Add", ["plain", "none"], [PROBABILITY]),
    ])  # fmt: skip
    for place, value in more.items():
        getattr(found, place).extend(value)
    return found.SerializeToString()


def loop(inner: list | None = None) -> list:
    """2^62 rounds of nothing."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Identity", ["sum"], ["sums"])], "body",
        [_value("round", [], TensorProto.INT64), _value("go", [], TensorProto.BOOL), _value("sum", [])],
        [_value("goes", [], TensorProto.BOOL), _value("sums", [])],
    )  # fmt: skip
    return [helper.make_node("Loop", ["rounds", "true", "zero"], ["extra"], body=body)]


ROUNDS = {"rounds": np.int64(1 << 62), "true": np.True_}


def _branch(nodes: list) -> onnx.GraphProto:
    return helper.make_graph(nodes, "branch", [], [_value("extra", [])])


def branched_loop() -> list:
    branch = _branch(loop())
    return [helper.make_node("If", ["true"], ["extra"], then_branch=branch, else_branch=branch)]


def _scan() -> list:
    body = helper.make_graph(
        [helper.make_node("Add", ["sum", "part"], ["sums"]), helper.make_node("Identity", ["sums"], ["each"])], "body",
        [_value("sum", []), _value("part", [])], [_value("sums", []), _value("each", [])],
    )  # fmt: skip
    nodes = [helper.make_node("Reshape", [WAVEFORM, "flat"], ["samples"])]
    return [*nodes, helper.make_node("Scan", ["zero", "samples"], ["extra", "all"], body=body, num_scan_inputs=1)]


def _function() -> dict[str, list]:
    made = helper.make_function(
        "own", "Rounds", ["rounds", "true", "zero"], ["extra"], loop(), [helper.make_opsetid("", 17)]
    )
    return {"functions": [made], "opset_import": [helper.make_opsetid("own", 1)]}


def _filled(size: object) -> tuple[list, dict[str, object]]:
    return [helper.make_node("ConstantOfShape", ["size"], ["extra"])], {"size": np.asarray(size, np.int64)}


def _by_value(operation: str) -> list:
    """A size made of the loudest sample."""
    return [
        helper.make_node("ReduceMax", [WAVEFORM], ["loud"], keepdims=0),
        helper.make_node("Mul", ["loud", "many"], ["more"]),
        helper.make_node("Cast", ["more"], ["count"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["count", "first"], ["size"]),
        helper.make_node(operation, {"ConstantOfShape": ["size"], "Expand": ["zero", "size"]}[operation], ["extra"]),
    ]


def _spike() -> list:
    """A terabyte for one number of windows alone."""
    return [
        helper.make_node("Shape", [COLUMNS], ["shape"]),
        helper.make_node("Gather", ["shape", "nothing"], ["length"]),
        helper.make_node("Equal", ["length", "special"], ["hit"]),
        helper.make_node("Cast", ["hit"], ["count"], to=TensorProto.INT64),
        helper.make_node("Mul", ["count", "huge"], ["large"]),
        helper.make_node("Unsqueeze", ["large", "first"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["many"]),
        helper.make_node("ReduceSum", ["many"], ["extra"], keepdims=0),
    ]


def spike_of_length(model: Path) -> bytes:
    """A terabyte for sounds of 64 hops alone, on the way to the columns."""
    found = onnx.load(model / MODEL)
    constants = {"second": np.int64(1), "special": np.int64(64 * 1600), "huge": np.int64(HUGE), "zero": np.float32(0),
                 "first": np.array([0], np.int64)}  # fmt: skip
    found.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    place = next(place for place, node in enumerate(found.graph.node) if node.output[0] == COLUMNS)
    found.graph.node[place].output[0] = "plain"
    nodes = [
        helper.make_node("Shape", [WAVEFORM], ["shape"]),
        helper.make_node("Gather", ["shape", "second"], ["length"]),
        *_spike()[2:],
        helper.make_node("Mul", ["extra", "zero"], ["none"]),
        helper.make_node("Add", ["plain", "none"], [COLUMNS]),
    ]
    for more, node in enumerate(nodes, place + 1):
        found.graph.node.insert(more, node)
    return found.SerializeToString()


def hostile(model: Path) -> dict[str, tuple[bytes, str]]:
    """Bytes of models, and a pattern of the sentence that refuses each, by what they do."""
    first = {"first": np.array([0], np.int64)}
    range_of = {"each": np.float32(1), "far": np.float32(1e12)}
    repeated = {"repeats": np.array([HUGE], np.int64), "single": np.ones(1, np.float32)}
    large = {"large": np.ones((1, 1, 3000), np.float32), "wide": np.ones((1, 1, 2000), np.float32)}
    operation = "contains the operation {}"
    memory = r"takes too much memory|would require more than|took too much memory"
    return {
        "loop": (with_nodes(model, loop(), ROUNDS), operation.format("'Loop'")),
        "loop in a branch": (with_nodes(model, branched_loop(), ROUNDS), operation.format("'If'")),
        "loop in a function": (
            with_nodes(model, [helper.make_node("Rounds", ["rounds", "true", "zero"], ["extra"], domain="own")], ROUNDS,
                       **_function()), "defines functions"),
        "scan": (with_nodes(model, _scan(), {"flat": np.array([-1], np.int64)}), operation.format("'Scan'")),
        "a domain of its own": (
            with_nodes(model, [helper.make_node("Gelu", ["plain"], ["extra"], domain="com.microsoft")],
                       opset_import=[helper.make_opsetid("com.microsoft", 1)]),
            operation.format("'com.microsoft.Gelu'")),
        "random": (
            with_nodes(model, [helper.make_node("RandomNormalLike", ["plain"], ["extra"])]),
            operation.format("'RandomNormalLike'")),
        "sizes by value": (
            with_nodes(model, [helper.make_node("NonZero", [WAVEFORM], ["found"]),
                               helper.make_node("Cast", ["found"], ["extra"], to=TensorProto.FLOAT)]),
            operation.format("'NonZero'")),
        "a terabyte": (with_nodes(model, *_filled([HUGE])), memory),
        "two gigabytes": (with_nodes(model, *_filled([1 << 29])), memory),
        "expanded": (
            with_nodes(model, [helper.make_node("Expand", ["single", "repeats"], ["extra"])], repeated), memory),
        "tiled": (with_nodes(model, [helper.make_node("Tile", ["single", "repeats"], ["extra"])], repeated), memory),
        "a range": (
            with_nodes(model, [helper.make_node("Range", ["zero", "far", "each"], ["extra"])], range_of), memory),
        "filled as loud": (
            with_nodes(model, _by_value("ConstantOfShape"), {"many": np.float32(1e12)} | first),
            "depends on the audio"),
        "expanded as loud": (
            with_nodes(model, _by_value("Expand"), {"many": np.float32(1e12)} | first), "depends on the audio"),
        "padded": (
            with_nodes(model, [TURN, helper.make_node("MaxPool", ["turned"], ["extra"], kernel_shape=[1 << 30],
                                                      pads=[(1 << 30) - 1, (1 << 30) - 1])]), memory),
        "slow": (
            with_nodes(model, [TURN, helper.make_node("Conv", ["turned", "large"], ["slow"], pads=[2999, 2999]),
                               *[helper.make_node("Conv", [f"slow{n or ''}", "wide"], [f"slow{n + 1}"],
                                                  pads=[1999, 1999]) for n in range(200)],
                               helper.make_node("Identity", ["slow200"], ["extra"])], large),
            r"takes [\d.]+ s to process|computed for too long"),
        "many operations": (
            with_nodes(model, [helper.make_node("Identity", ["plain" if not n else f"same{n}"], [f"same{n + 1}"])
                               for n in range(10_000)] + [helper.make_node("Identity", ["same10000"], ["extra"])]),
            "at most 5,000 are allowed"),
        "a terabyte for eight windows": (
            with_nodes(model, _spike(), {"special": np.int64(8), "huge": np.int64(HUGE)} | first), memory),
        "a terabyte for a sound of one length": (spike_of_length(model), "depends on the length of the audio"),
    }  # fmt: skip


def misshapen(model: Path) -> bytes:
    """It gives two probabilities for each window."""
    found: ModelProto = onnx.load(model / MODEL)
    found.graph.node[-1].output[0] = "plain"
    found.graph.node.append(helper.make_node("Concat", ["plain", "plain"], [PROBABILITY], axis=0))
    return found.SerializeToString()


def boundless(model: Path) -> bytes:
    """It gives what is no probability: NaN."""
    found: ModelProto = onnx.load(model / MODEL)
    found.graph.node[-1].output[0] = "plain"
    found.graph.node.append(helper.make_node("Sub", ["plain", "plain"], ["none"]))
    found.graph.node.append(helper.make_node("Div", ["none", "none"], [PROBABILITY]))
    return found.SerializeToString()


def failing_on_words(model: Path) -> dict[str, bytes]:
    """Models that hear noise, and fail on the word: an index out of range, or NaN."""
    loudest = helper.make_node("ReduceMax", [COLUMNS], ["loud"], keepdims=0)
    out_of_range = [
        loudest,
        helper.make_node("Mul", ["loud", "many"], ["more"]),
        helper.make_node("Cast", ["more"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["single", "place"], ["extra"]),
    ]
    no_number = [
        loudest,
        helper.make_node("Sub", ["most_loud", "loud"], ["left"]),
        helper.make_node("Sqrt", ["left"], ["extra"]),
    ]
    single = {"single": np.ones(1, np.float32), "many": np.float32(5000)}
    return {
        "cannot be run": with_nodes(model, out_of_range, single),
        "returns no probability": with_nodes(model, no_number, {"most_loud": np.float32(2e-4)}),
    }
