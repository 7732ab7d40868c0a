"""Networks whose convolutions are rewritten as products give the same numbers."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from trainer.synthesis import convolution_products

RNG = np.random.default_rng(0)


def network(outputs: int, kernel: int, dtype: type = np.uint8, **attributes: object) -> onnx.ModelProto:
    """One convolution of integers over 24 channels, whose input is quantised in the network."""
    weights = RNG.integers(68, 189, (outputs, 24, kernel)).astype(dtype)  # sums of two products fit 16 bits
    tensors = {"weights": weights, "zero": np.array(121, dtype)}
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["input"], ["x", "scale", "x_zero"]),
        helper.make_node("ConvInteger", ["x", "weights", "x_zero", "zero"], ["sums"], **attributes),
    ]
    graph = helper.make_graph(
        nodes,
        "convolution",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 24, "t"])],
        [helper.make_tensor_value_info("sums", TensorProto.INT32, [1, outputs, "u"])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def run(model: onnx.ModelProto, time: int) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    wave = np.random.default_rng(time).standard_normal((1, 24, time)).astype(np.float32)
    return session.run(None, {"input": wave})[0]


@pytest.mark.parametrize(
    ("kernel", "attributes"),
    [
        (1, {}),
        (3, {"pads": [1, 1]}),
        (3, {"pads": [0, 2], "dilations": [1]}),
        (11, {"pads": [25, 25], "dilations": [5]}),
        (7, {}),
    ],
)
def test_products_equal_convolutions(kernel: int, attributes: dict):
    model = network(32, kernel, **attributes)
    before = [run(model, time) for time in (31, 80)]
    assert convolution_products.rewrite(model) == 1
    assert {node.op_type for node in model.graph.node} >= {"MatMulInteger"} and "ConvInteger" not in {
        node.op_type for node in model.graph.node
    }
    assert not {"weights", "zero"} & {each.name for each in model.graph.initializer}
    for time, expected in zip((31, 80), before, strict=True):
        assert np.array_equal(run(model, time), expected)


@pytest.mark.parametrize(
    ("outputs", "attributes"), [(4, {}), (32, {"strides": [2]}), (32, {"auto_pad": "SAME_UPPER"})], ids=str
)
def test_others_stay_as_they_are(outputs: int, attributes: dict):
    model = network(outputs, 3, **attributes)
    before = model.SerializeToString(deterministic=True)
    assert convolution_products.rewrite(model) == 0
    assert model.SerializeToString(deterministic=True) == before


def test_processors_without_such_instructions_are_known(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags\t\t: fpu avx2 avx512f\n")
    assert not convolution_products.is_exact_here(tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor : 0\nflags\t\t: fpu avx2 avx_vnni\n")
    assert convolution_products.is_exact_here(tmp_path / "cpuinfo")
    assert not convolution_products.is_exact_here(tmp_path / "missing")
