"""The process that runs the network of a voice, an untrusted program, with limited memory and processor time.

Standard input: JSON lines, first {"path": ..., "threads": 0: as many as are useful, "products": whether to rewrite
convolutions, "seconds": ...}, then for each phrase {"inputs": {name: nested lists}, "seconds": ...}; `seconds` limits
the processor time. Inputs that the network does not have are left out. Standard output: a line for each, {"problem":
what follows the path of the voice in a message}, or {"samples": n} and then n float32.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from trainer.detector import onnx_file
from trainer.synthesis import convolution_products
from trainer.system import limited_process, limits, regular_file

MOST_BYTES = 512 << 20
MEMORY, MEMORY_PER_BYTE = 2 << 30, 8
"""Limit of the address space in bytes, and its increase for each byte of the file."""

MOST_THREADS = 4
"""Each thread reserves memory, which counts against the limit."""
TYPES = {"tensor(int64)": np.int64, "tensor(float)": np.float32}


class Refused(ValueError):
    """The problem of a voice, which follows its path in a message."""


def _load(path: Path, threads: int, products: bool) -> onnxruntime.InferenceSession:
    """Limit the memory and load the voice. Raises Refused, OSError."""
    data = regular_file.read_bytes(path, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Refused(f"is larger than {MOST_BYTES >> 20} MB, the limit for a voice")
    limited_process.limit_memory(MEMORY + MEMORY_PER_BYTE * len(data))
    try:
        model = onnx.load_from_string(data)
        if onnx_file.reads_files(model):
            raise Refused("refers to other files, which is not allowed")
        if products and convolution_products.is_exact_here() and convolution_products.rewrite(model):
            data = model.SerializeToString()
    except DecodeError:
        raise Refused("is not an ONNX model, or is incomplete") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads or min(limits.threads(), MOST_THREADS), 4
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # spinning threads would use up the processor time
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _wave(session: onnxruntime.InferenceSession, request: dict[str, Any]) -> NDArray[np.float32]:
    """The wave [samples] of a phrase."""
    given = request["inputs"]
    known = [each for each in session.get_inputs() if each.name in given]
    inputs = {each.name: np.array(given[each.name], TYPES[each.type]) for each in known}
    return np.ascontiguousarray(session.run(None, inputs)[0], np.float32).reshape(-1)


def main() -> None:
    session, out = None, sys.stdout.buffer
    for line in sys.stdin.buffer:
        request, wave = json.loads(line), np.empty(0, np.float32)
        limited_process.limit_processor(request["seconds"])
        try:
            if session is None:
                session = _load(Path(request["path"]), request["threads"], request["products"])
            else:
                wave = _wave(session, request)
            answer: dict[str, Any] = {"samples": len(wave)}
        except Refused as error:
            answer = {"problem": str(error)}
        except OSError as error:
            answer = {"problem": f"cannot be read ({error.strerror})"}
        except Exception as error:  # the edge of the process: onnxruntime raises a class for each kind of damage
            answer = {"problem": limited_process.describe_model_error(error)}
        out.write(json.dumps(answer).encode() + b"\n")
        if "samples" in answer:
            out.write(wave.data)
        out.flush()


if __name__ == "__main__":
    main()
