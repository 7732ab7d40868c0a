"""The process of a Piper voice, with limited memory and processor time, as a voice is an untrusted program.

Standard input: JSON lines, first {"path": ..., "seconds": ...}, then for each phrase {"ids": [...], "scales": [noise,
length, noise of durations], "speaker": 0, "seconds": ...}; `seconds` is the processor time that it may take. Standard
output: for each a line, {"why": what is wrong, to follow the name of the voice} or {"samples": n}, and then n float32.
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
from trainer.system import limited_process, limits, regular_file

MOST_BYTES = 512 << 20
MEMORY, MEMORY_PER_BYTE = 2 << 30, 8
"""Address space in bytes, and what each byte of the file may take on top."""

MOST_THREADS = 4
"""Each reserves memory, which counts."""


class Refused(ValueError):
    """What is wrong with the voice, to follow its name."""


def _load(path: Path) -> onnxruntime.InferenceSession:
    data = regular_file.read_bytes(path, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Refused(f"is larger than {MOST_BYTES >> 20} MB, which no voice is")
    limited_process.limit_memory(MEMORY + MEMORY_PER_BYTE * len(data))
    try:
        if onnx_file.reads_files(onnx.load_from_string(data)):
            raise Refused("wants to read other files, which is refused")
    except DecodeError:
        raise Refused("is no ONNX model, or a part of one") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = min(limits.threads(), MOST_THREADS), 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads would use up the time
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _spoken(session: onnxruntime.InferenceSession, request: dict[str, Any]) -> NDArray[np.float32]:
    """The wave [samples] of a phrase."""
    inputs: dict[str, NDArray[Any]] = {
        "input": np.array([request["ids"]], np.int64),
        "input_lengths": np.array([len(request["ids"])], np.int64),
        "scales": np.array(request["scales"], np.float32),
    }
    if any(one.name == "sid" for one in session.get_inputs()):
        inputs["sid"] = np.array([request["speaker"]], np.int64)
    return np.ascontiguousarray(session.run(None, inputs)[0], np.float32).reshape(-1)


def main() -> None:
    session, out = None, sys.stdout.buffer
    for line in sys.stdin.buffer:
        request, wave = json.loads(line), np.empty(0, np.float32)
        limited_process.limit_processor(request["seconds"])
        try:
            if session is None:
                session = _load(Path(request["path"]))
            else:
                wave = _spoken(session, request)
            answer: dict[str, Any] = {"samples": len(wave)}
        except Refused as error:
            answer = {"why": str(error)}
        except OSError as error:
            answer = {"why": f"cannot be read ({error.strerror})"}
        except Exception as error:  # the edge of the process: onnxruntime raises a class for each kind of damage
            answer = {"why": limited_process.told_error(error)}
        out.write(json.dumps(answer).encode() + b"\n")
        if "samples" in answer:
            out.write(wave.data)
        out.flush()


if __name__ == "__main__":
    main()
