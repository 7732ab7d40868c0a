"""Which graphs of ONNX are loaded at all: plain operations, whose results have sizes that follow from the input's.

So a graph that was tried behaves no differently later: the columns of a wave take no more than those of the longest,
and windows are tried in every number where the graph can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, external_data_helper

from trainer.detector.detector_file import COLUMNS

MOST_NODES = 5_000
"""The largest exported graph has 800, in eight bits three times as many."""
_NAMES = """
Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Celu Clip Concat Constant ConstantOfShape
Conv Cos CumSum DepthToSpace DequantizeLinear Div DynamicQuantizeLinear Elu Equal Erf Exp Expand Flatten Floor
GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual
GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization IsInf IsNaN LSTM LayerNormalization
LeakyRelu Less LessOrEqual Log LogSoftmax MatMul MatMulInteger Max MaxPool Mean Min Mish Mod Mul Neg Not Or
PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round
ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign SpaceToDepth Split
Sqrt Squeeze Sub Sum Tanh ThresholdedRelu Tile TopK Transpose Unsqueeze Where Xor
"""
OPERATIONS = frozenset(_NAMES.split())
SIZES = ("Shape", "Size")
DOMAINS = frozenset({"", "ai.onnx"})
_FIRST = {"ConstantOfShape": (0,), "Range": (0, 1, 2), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4)}
_SECOND = ("Expand", "Pad", "Reshape", "Split", "Squeeze", "Tile", "TopK", "Unsqueeze")


class GraphRefused(ValueError):
    """The reason, to follow the path of the model: "has an operation Loop, which no exported model has"."""


def reads_files(model: ModelProto) -> bool:
    """Whether weights of the model lie in other files."""
    tensors = chain(_tensors(model.graph), *(_tensors_of_nodes(each.node) for each in model.functions))
    return any(external_data_helper.uses_external_data(tensor) for tensor in tensors)


def check_closed(model: ModelProto) -> None:
    """Raises GraphRefused for a graph that is more than a graph: what follows reads no file and no program of it."""
    if model.functions or reads_files(model):
        raise GraphRefused("wants to read other files or brings functions of its own, which is refused")
    if model.graph.sparse_initializer or model.training_info:
        raise GraphRefused("holds sparse weights or a training, which no exported model does")
    if len(model.graph.node) > MOST_NODES:
        raise GraphRefused(f"has {len(model.graph.node):,} operations; at most {MOST_NODES:,} are taken")


def check_operations(model: ModelProto) -> None:
    """Raises GraphRefused. The nodes of the graph must be sorted, as onnx.checker knows."""
    changing = _changing(model)
    for node in model.graph.node:
        _check_node(node)
        _check_sizes(node, changing)
    _check_front(model, changing)


def _changing(model: ModelProto) -> set[str]:
    """The names of what depends on the values in the sound: a size does not."""
    found = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if node.op_type not in SIZES and found & set(node.input):
            found |= set(node.output)
    return found


def asks_sizes(model: ModelProto) -> bool:
    """Whether anything in the graph is computed from how much sound it gets."""
    changing = _changing(model)
    return any(node.op_type in SIZES and changing & set(node.input) for node in model.graph.node)


def _check_front(model: ModelProto, changing: set[str]) -> None:
    """What is computed of a wave of any length grows with it: it cannot ask how long it is."""
    needed = {COLUMNS}
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            if node.op_type in SIZES and changing & set(node.input):
                raise GraphRefused(f"asks for the length of the sound ({node.op_type}), which no exported model does")
            needed |= set(node.input)


def _check_node(node: NodeProto) -> None:
    plain = node.domain in DOMAINS and node.op_type in OPERATIONS
    if not plain or any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise GraphRefused(f"has an operation {name!r:.80}, which no exported model has")


def _check_sizes(node: NodeProto, changing: set[str]) -> None:
    """Raises GraphRefused when how large a result is depends on the values in the sound."""
    default = (1,) if node.op_type in _SECOND or node.op_type.startswith("Reduce") else ()
    places = _FIRST.get(node.op_type, default)
    if any(place < len(node.input) and node.input[place] in changing for place in places):
        raise GraphRefused(
            f"has a result of {node.op_type} whose size depends on the sound, which no exported model has"
        )


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor in a graph and in the graphs within it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from _tensors_of(attribute)


def _tensors_of(attribute: AttributeProto) -> Iterator[TensorProto]:
    sparse = [attribute.sparse_tensor, *attribute.sparse_tensors]
    yield from (attribute.t, *attribute.tensors, *(part for each in sparse for part in (each.values, each.indices)))
    for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
        yield from _tensors(graph)
