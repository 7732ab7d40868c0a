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
AGAIN = "Export it again: python -m trainer export RUN DIR"
MOST_BYTES = 512 << 20
TRIAL_SECONDS = 300.0
"""Limit of the clock for a trial that neither answers nor computes."""
COMPUTE_SECONDS, COMPUTE_SECONDS_PER_MEGABYTE = 15.0, 0.1
"""Limits of processor time of a trial."""
TRIAL = "trainer.detector.model_trial"


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


class ModelRefused(ValueError):
    """A model that is what its detector.json says, and did not stand its trial."""


def read(path: Path) -> tuple[DetectorFile, ModelProto]:
    """The model in a folder or in an `.onnx` file, with what stands in the detector.json beside it.

    The very bytes that are loaded have been tried before, by a process that is limited. Raises FileNotFoundError,
    OSError, or ValueError with one sentence.
    """
    path = path / detector_file.MODEL if path.is_dir() else path
    beside = detector_file.path_in(path.parent)
    if not path.is_file():
        raise FileNotFoundError(f"There is no model {path}. {AGAIN}")
    if not beside.is_file():
        raise FileNotFoundError(f"There is no {detector_file.NAME} beside {path}, which is required. {AGAIN}")
    file = durable.read_document(DetectorFile, beside)
    if file is None:
        raise ValueError(f"{beside} is corrupt or of another version. {AGAIN}")
    data = regular_file.read_bytes(path, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path} is larger than {MOST_BYTES >> 20} MB, more than any exported model. {AGAIN}")
    if hashlib.sha256(data).hexdigest() != file.files.get(path.name):
        raise ValueError(f"{path} is corrupt or another model: its digest differs from the one in {beside}. {AGAIN}")
    _try(file, data, path)
    return detector_file.of_model(file, path.name), onnx.load_from_string(data)


def _try(file: DetectorFile, data: bytes, path: Path) -> None:
    """Let a limited process load the model and hear with it. Raises ModelRefused with why it is not loaded here."""
    seconds = COMPUTE_SECONDS + COMPUTE_SECONDS_PER_MEGABYTE * len(data) / 1e6
    head = json.dumps({"path": str(path), "file": file.model_dump(), "seconds": seconds}).encode() + b"\n"
    try:
        ended = limited_process.run(TRIAL, [head, data], TRIAL_SECONDS)
    except OSError as error:
        raise ValueError(f"{path} is not loaded: the process that tries it cannot be started ({error}).") from None
    if ended.code == 0 and ended.output.endswith(b"\n"):
        if refusal := json.loads(ended.output)["refusal"]:
            raise ModelRefused(refusal)
        return
    why = "it took too long" if ended.code is None else limited_process.describe_exit(ended.code)
    raise ModelRefused(f"The model in {path} is refused: {why} when it was tried in a process of its own. {AGAIN}")


def parsed(data: bytes, path: Path) -> ModelProto:
    """The model in these bytes. Raises ValueError when they hold none, or one that is not loaded."""
    try:
        model = onnx.load_from_string(data)
    except DecodeError:
        raise ValueError(f"{path} is no ONNX model, or a part of one. {AGAIN}") from None
    try:
        check_closed(model)
        checker.check_model(model)
        check_operations(model)
    except GraphRefused as error:
        raise ValueError(f"{path} {error}. {AGAIN}") from None
    except checker.ValidationError as error:
        raise ValueError(f"{path} is no sound ONNX model ({str(error).splitlines()[0][:200]}). {AGAIN}") from None
    known = {name for node in model.graph.node for name in node.output}
    given = [value.name for value in model.graph.input]
    if path.name != detector_file.OPENWAKEWORD_MODEL and (given != [WAVEFORM] or not {COLUMNS, PROBABILITY} <= known):
        raise ValueError(f"{path} is no model of this application. {AGAIN}")
    return model


def parts(model: ModelProto) -> tuple[bytes, bytes]:
    """The graph from a wave of any length to its columns, and the one from columns of windows to probabilities."""
    open_model = ModelProto()
    open_model.CopyFrom(model)
    open_model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "time"
    columns = helper.make_tensor_value_info(COLUMNS, TensorProto.FLOAT, ["batch", "frames", "rows"])
    del open_model.graph.value_info[:]
    open_model.graph.value_info.append(columns)
    extractor = Extractor(open_model)
    front, head = (
        extractor.extract_model([given], [found]) for given, found in ((WAVEFORM, COLUMNS), (COLUMNS, PROBABILITY))
    )
    return front.SerializeToString(), head.SerializeToString()
