"""Untrusted ONNX files: the allowed operations, the match with detector.json, and the two parts of a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, checker, external_data_helper, helper
from onnx.utils import Extractor

from trainer.detector import detector_file
from trainer.detector.detector_file import COLUMNS, PROBABILITY, WAVEFORM, DetectorFile
from trainer.system import durable, limited_process, regular_file

MOST_NODES = 5_000
"""The largest exported graph has 800 nodes, quantized to int8 three times as many."""
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
EXPORT_AGAIN = "Export it again: python -m trainer export RUN DIR"
MOST_BYTES = 512 << 20
TRIAL_SECONDS = 300.0
"""Limit of a trial that hangs."""
COMPUTE_SECONDS, COMPUTE_SECONDS_PER_MEGABYTE = 15.0, 0.1
"""Limits of the processor time of a trial."""
TRIAL = "trainer.detector.model_trial"


class GraphRefused(ValueError):
    """The message is the predicate of a sentence about the model: "contains the operation Loop, which ..."."""


def reads_files(model: ModelProto) -> bool:
    """Whether weights of the model are stored in other files."""
    tensors = chain(_tensors(model.graph), *(_tensors_of_nodes(each.node) for each in model.functions))
    return any(external_data_helper.uses_external_data(tensor) for tensor in tensors)


def check_closed(model: ModelProto) -> None:
    """Raises GraphRefused for a model with external files, functions or more than a graph."""
    if model.functions or reads_files(model):
        raise GraphRefused("refers to external files or defines functions, which is not allowed")
    if model.graph.sparse_initializer or model.training_info:
        raise GraphRefused("contains sparse weights or training information, which exported models do not")
    if len(model.graph.node) > MOST_NODES:
        raise GraphRefused(f"has {len(model.graph.node):,} nodes; at most {MOST_NODES:,} are allowed")


def check_operations(model: ModelProto) -> None:
    """Raises GraphRefused. The nodes must be sorted topologically, which onnx.checker ensures."""
    dependent = _audio_dependent(model)
    for node in model.graph.node:
        _check_node(node)
        _check_sizes(node, dependent)
    _check_front(model, dependent)


def _audio_dependent(model: ModelProto) -> set[str]:
    """Names of the values that depend on the samples; a size does not."""
    names = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if node.op_type not in SIZES and names & set(node.input):
            names |= set(node.output)
    return names


def uses_sizes(model: ModelProto) -> bool:
    """Whether anything in the graph is computed from the amount of audio."""
    dependent = _audio_dependent(model)
    return any(node.op_type in SIZES and dependent & set(node.input) for node in model.graph.node)


def _check_front(model: ModelProto, dependent: set[str]) -> None:
    """Refuse columns that depend on the length of the wave: the front end is run on pieces of any length."""
    needed = {COLUMNS}
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            if node.op_type in SIZES and dependent & set(node.input):
                raise GraphRefused(f"depends on the length of the audio ({node.op_type}), which exported models do not")
            needed |= set(node.input)


def _check_node(node: NodeProto) -> None:
    allowed = node.domain in DOMAINS and node.op_type in OPERATIONS
    if not allowed or any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise GraphRefused(f"contains the operation {name!r:.80}, which exported models do not")


def _check_sizes(node: NodeProto, dependent: set[str]) -> None:
    """Raises GraphRefused when the size of a result depends on the samples."""
    default = (1,) if node.op_type in _SECOND or node.op_type.startswith("Reduce") else ()
    inputs = _FIRST.get(node.op_type, default)
    if any(index < len(node.input) and node.input[index] in dependent for index in inputs):
        raise GraphRefused(f"has a result of {node.op_type} whose size depends on the audio, unlike exported models")


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor in a graph and its subgraphs."""
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


class ModelRefused(ValueError):
    """A model that matches its detector.json and fails its trial."""


def read(path: Path) -> tuple[DetectorFile, ModelProto]:
    """The model in a folder or in an `.onnx` file, with the content of the detector.json beside it.

    A limited process has tried the very bytes that are returned. Raises FileNotFoundError, OSError, ValueError.
    """
    path = path / detector_file.MODEL if path.is_dir() else path
    beside = detector_file.path_in(path.parent)
    if not path.is_file():
        raise FileNotFoundError(f"The model {path} does not exist. {EXPORT_AGAIN}")
    if not beside.is_file():
        raise FileNotFoundError(f"{detector_file.NAME} is missing beside {path}. {EXPORT_AGAIN}")
    file = durable.read_document(DetectorFile, beside)
    if file is None:
        raise ValueError(f"{beside} is corrupt or of another version. {EXPORT_AGAIN}")
    data = regular_file.read_bytes(path, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path} is larger than {MOST_BYTES >> 20} MB, more than any exported model. {EXPORT_AGAIN}")
    if hashlib.sha256(data).hexdigest() != file.files.get(path.name):
        raise ValueError(f"{path} is corrupt or another model: its digest is not the one in {beside}. {EXPORT_AGAIN}")
    _try(file, data, path)
    return detector_file.of_model(file, path.name), onnx.load_from_string(data)


def _try(file: DetectorFile, data: bytes, path: Path) -> None:
    """Load and run the model in a limited process. Raises ModelRefused; ValueError when none can be started."""
    seconds = COMPUTE_SECONDS + COMPUTE_SECONDS_PER_MEGABYTE * len(data) / 1e6
    head = json.dumps({"path": str(path), "file": file.model_dump(), "seconds": seconds}).encode() + b"\n"
    try:
        trial = limited_process.run(TRIAL, [head, data], TRIAL_SECONDS)
    except OSError as error:
        raise ValueError(f"{path} is not loaded: the process that checks it cannot be started ({error}).") from None
    if trial.code == 0 and trial.output.endswith(b"\n"):
        if refusal := json.loads(trial.output)["refusal"]:
            raise ModelRefused(refusal)
        return
    reason = "it took too long" if trial.code is None else limited_process.describe_exit(trial.code)
    raise ModelRefused(f"The model in {path} is refused: {reason} during its trial. {EXPORT_AGAIN}")


def parsed(data: bytes, path: Path) -> ModelProto:
    """The model in these bytes. Raises ValueError for other bytes and for a model that is refused."""
    try:
        model = onnx.load_from_string(data)
    except DecodeError:
        raise ValueError(f"{path} is not an ONNX model, or is incomplete. {EXPORT_AGAIN}") from None
    try:
        check_closed(model)
        checker.check_model(model)
        check_operations(model)
    except GraphRefused as error:
        raise ValueError(f"{path} {error}. {EXPORT_AGAIN}") from None
    except checker.ValidationError as error:
        reason = str(error).splitlines()[0][:200]
        raise ValueError(f"{path} is not a valid ONNX model ({reason}). {EXPORT_AGAIN}") from None
    values = {name for node in model.graph.node for name in node.output}
    inputs = [value.name for value in model.graph.input]
    openwakeword = path.name == detector_file.OPENWAKEWORD_MODEL
    if not openwakeword and (inputs != [WAVEFORM] or not {COLUMNS, PROBABILITY} <= values):
        raise ValueError(f"{path} is not a model exported by this application. {EXPORT_AGAIN}")
    return model


def parts(model: ModelProto) -> tuple[bytes, bytes]:
    """The graph from a wave of any length to columns, and the graph from the columns of windows to probabilities."""
    open_model = ModelProto()
    open_model.CopyFrom(model)
    open_model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "time"
    columns = helper.make_tensor_value_info(COLUMNS, TensorProto.FLOAT, ["batch", "frames", "rows"])
    del open_model.graph.value_info[:]
    open_model.graph.value_info.append(columns)
    extractor = Extractor(open_model)
    front, head = (
        extractor.extract_model([start], [end]) for start, end in ((WAVEFORM, COLUMNS), (COLUMNS, PROBABILITY))
    )
    return front.SerializeToString(), head.SerializeToString()
