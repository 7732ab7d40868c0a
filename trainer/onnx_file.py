"""An ONNX file of a stranger: whether it is the model that its detector.json says, and its two parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, checker, external_data_helper, helper
from onnx.utils import Extractor

from trainer import detector_file, documents
from trainer.detector_file import COLUMNS, PROBABILITY, WAVEFORM, DetectorFile

AGAIN = "Export it again: python -m trainer export RUN DIR"


def read(path: Path) -> tuple[DetectorFile, ModelProto]:
    """The model in a folder or in an `.onnx` file, with what stands in the detector.json beside it.

    Raises FileNotFoundError or ValueError with one sentence.
    """
    path = path / detector_file.MODEL if path.is_dir() else path
    beside = detector_file.path_in(path.parent)
    if not path.is_file():
        raise FileNotFoundError(f"There is no model {path}. {AGAIN}")
    if not beside.is_file():
        raise FileNotFoundError(
            f"There is no {detector_file.NAME} beside {path}, without which it cannot listen. {AGAIN}"
        )
    file = documents.read(DetectorFile, beside)
    if file is None:
        raise ValueError(f"{beside} is damaged, or of another version. {AGAIN}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != file.files.get(path.name):
        raise ValueError(f"{path} is damaged or another model: its digest is not the one in {beside}. {AGAIN}")
    return detector_file.of_model(file, path.name), parsed(data, path)


def parsed(data: bytes, path: Path) -> ModelProto:
    """The model in these bytes. Raises ValueError when they hold none, or one that reads other files."""
    try:
        model = onnx.load_from_string(data)
    except DecodeError:
        raise ValueError(f"{path} is no ONNX model, or a part of one. {AGAIN}") from None
    if any(external_data_helper.uses_external_data(tensor) for tensor in _tensors(model.graph)) or model.functions:
        raise ValueError(f"{path} wants to read other files or brings functions of its own, which is refused. {AGAIN}")
    try:
        checker.check_model(model)
    except checker.ValidationError as error:
        raise ValueError(f"{path} is no sound ONNX model ({str(error).splitlines()[0][:200]}). {AGAIN}") from None
    known = {name for node in model.graph.node for name in node.output}
    inputs = [value.name for value in model.graph.input]
    if inputs != [WAVEFORM] or not {COLUMNS, PROBABILITY} <= known:
        raise ValueError(f"{path} is no model of this application. {AGAIN}")
    return model


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor in a graph and in the graphs within it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from _tensors_of(attribute)


def _tensors_of(attribute: AttributeProto) -> Iterator[TensorProto]:
    sparse = [attribute.sparse_tensor, *attribute.sparse_tensors]
    yield from (attribute.t, *attribute.tensors, *(part for each in sparse for part in (each.values, each.indices)))
    for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
        yield from _tensors(graph)


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
