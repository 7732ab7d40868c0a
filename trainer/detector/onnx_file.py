"""An ONNX file of a stranger: whether it is the model that its detector.json says, and its two parts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, checker, helper
from onnx.utils import Extractor

from trainer.detector import detector_file, onnx_rules
from trainer.detector.detector_file import COLUMNS, PROBABILITY, WAVEFORM, DetectorFile
from trainer.system import document_file, limited_process, regular_file

AGAIN = "Export it again: python -m trainer export RUN DIR"
MOST_BYTES = 512 << 20
TRIAL_SECONDS = 300.0
"""Until a trial is ended that neither answers nor computes; how much it may compute is limited by itself."""
TRIAL = "trainer.detector.model_trial"


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
        raise FileNotFoundError(
            f"There is no {detector_file.NAME} beside {path}, without which it cannot listen. {AGAIN}"
        )
    file = document_file.read(DetectorFile, beside)
    if file is None:
        raise ValueError(f"{beside} is damaged, or of another version. {AGAIN}")
    data = regular_file.read_bytes(path, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{path} is larger than {MOST_BYTES >> 20} MB, which no model is that can listen. {AGAIN}")
    if hashlib.sha256(data).hexdigest() != file.files.get(path.name):
        raise ValueError(f"{path} is damaged or another model: its digest is not the one in {beside}. {AGAIN}")
    _try(file, data, path)
    return detector_file.of_model(file, path.name), onnx.load_from_string(data)


def _try(file: DetectorFile, data: bytes, path: Path) -> None:
    """Let a limited process load the model and hear with it. Raises ModelRefused with why it is not loaded here."""
    head = json.dumps({"path": str(path), "file": file.model_dump()}).encode() + b"\n"
    try:
        ended = limited_process.run(TRIAL, [head, data], TRIAL_SECONDS)
    except OSError as error:
        raise ValueError(f"{path} is not loaded: the process that tries it cannot be started ({error}).") from None
    if ended.code == 0 and ended.output.endswith(b"\n"):
        if refusal := json.loads(ended.output)["refusal"]:
            raise ModelRefused(refusal)
        return
    why = "it took too long" if ended.code is None else limited_process.told(ended.code)
    raise ModelRefused(f"The model in {path} is refused: {why} when it was tried in a process of its own. {AGAIN}")


def parsed(data: bytes, path: Path) -> ModelProto:
    """The model in these bytes. Raises ValueError when they hold none, or one that is not loaded."""
    try:
        model = onnx.load_from_string(data)
    except DecodeError:
        raise ValueError(f"{path} is no ONNX model, or a part of one. {AGAIN}") from None
    try:
        onnx_rules.check_closed(model)
        checker.check_model(model)
        onnx_rules.check_operations(model)
    except onnx_rules.GraphRefused as error:
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
