"""Voices of Piper, by strangers, that hang, fill the memory, read other files or make no speech."""

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.hostile_models import HUGE, ROUNDS, branched_loop, loop

Change = tuple[list, dict[str, object]]
"""Nodes that make `extra`, of which the sound gets nothing, and their constants."""


def _made(operation: str, size: int) -> Change:
    given = ["size"] if operation == "ConstantOfShape" else ["single", "size"]
    return [helper.make_node(operation, given, ["extra"])], {"size": np.array([size]), "single": np.ones(1, np.float32)}


def _times(factor: float) -> Change:
    return [helper.make_node("Identity", ["factor"], ["extra"])], {"factor": np.float32(factor)}


CHANGES: dict[str, tuple[Change, str]] = {
    "loop": ((loop(), ROUNDS), "computed for too long"),
    "loop in a branch": ((branched_loop(), ROUNDS), "computed for too long"),
    "a terabyte": (_made("ConstantOfShape", HUGE), "takes too much memory"),
    "three gigabytes": (_made("ConstantOfShape", 3 << 28), "takes too much memory"),
    "expanded": (_made("Expand", HUGE), "takes too much memory"),
    "tiled": (_made("Tile", HUGE), "takes too much memory|would require more than"),
    "no number": (_times(np.nan), "produces no sound"),
    "infinite": (_times(np.inf), "produces no sound"),
    "deafening": (_times(1e30), "produces no sound"),
    "silent": (_times(0.0), "produces no sound"),
}
OTHERS = {
    "endless": r"produces [\d,]+ samples, more than the",
    "another input": "cannot be run",
    "another file": "refers to other files",
    "another file in a function": "refers to other files",
}
HOSTILE = {kind: told for kind, (_, told) in CHANGES.items()} | OTHERS


def spoil(voice: Path, kind: str) -> None:
    """Make a voice of `make_voice` a hostile one."""
    model = onnx.load(voice)
    if kind in CHANGES:
        _add(model, *CHANGES[kind][0])
    elif kind == "endless":
        pace = next(tensor for tensor in model.graph.initializer if tensor.name == "pace")
        pace.CopyFrom(numpy_helper.from_array(np.float32(100_000), "pace"))
    elif kind == "another input":
        model.graph.input[0].name = "text"
    else:
        tensor = _in_another_file()
        if kind == "another file":
            _add(model, [helper.make_node("Identity", ["outside"], ["extra"])], {})
            model.graph.initializer.append(tensor)
        else:
            nodes = [helper.make_node("Constant", [], ["extra"], value=tensor)]
            model.functions.append(
                helper.make_function("own", "Outside", [], ["extra"], nodes, [helper.make_opsetid("", 17)])
            )
            model.opset_import.append(helper.make_opsetid("own", 1))
            _add(model, [helper.make_node("Outside", [], ["extra"], domain="own")], {})
    voice.write_bytes(model.SerializeToString())


def _add(model: ModelProto, nodes: list, constants: dict[str, object]) -> None:
    model.graph.node[-1].output[0] = "plain"
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    )
    model.graph.node.extend([
        *nodes,
        helper.make_node("ReduceMax", ["extra"], ["top"], keepdims=0),
        helper.make_node("Mul", ["plain", "top"], ["output"]),
    ])  # fmt: skip


def _in_another_file() -> TensorProto:
    tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="README.md")
    return tensor
