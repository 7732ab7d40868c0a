"""The process that reads untrusted audio files with limited memory and processor time (see audio_reader).

It answers JSON lines on standard input with JSON lines on standard output, after which samples may follow.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio import audio_file
from trainer.audio.audio_file import AudioRefused
from trainer.dataset import measures
from trainer.system import limited_process

MOST_MEMORY = 400 << 20
"""Address space in bytes beyond that at the start; with its libraries, the process stays below 512 MB."""
_SAMPLES_PER_UPDATE = 1 << 20


def audio_digest(wave: measures.Wave, sample_rate: int) -> str:
    """SHA-256 of the samples as 16-bit integers, equal for the same audio in different containers."""
    digest = hashlib.sha256(f"{sample_rate}\n".encode())
    for first in range(0, len(wave), _SAMPLES_PER_UPDATE):
        samples = np.rint(np.clip(wave[first : first + _SAMPLES_PER_UPDATE], -1, 1) * 32767).astype("<i2")
        digest.update(samples.tobytes())
    return digest.hexdigest()


def inspect(path: Path) -> dict[str, Any]:
    """Facts and measures of a clip, or the `reason` and `message` why it is refused."""
    try:
        before = path.stat(follow_symlinks=False)
        wave, facts = audio_file.read(path)
        after = path.stat(follow_symlinks=False)
        measured = asdict(measures.measure(wave, facts.sample_rate))
    except AudioRefused as error:
        return {"reason": error.reason, "message": str(error)}
    except FileNotFoundError:
        return {"reason": "vanished", "message": "It was removed during the scan; scan again."}
    except OSError as error:
        message = f"It cannot be read ({error.strerror}); check its permissions and the disk."
        return {"reason": "unreadable", "message": message}
    except MemoryError:
        return {"reason": "too_large", "message": "It needs too much memory; cut it into pieces."}
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return {"reason": "changing", "message": "It changed during the scan; scan again."}
    measured["fingerprint"] = base64.b64encode(measured["fingerprint"]).decode()
    digest = audio_digest(wave, facts.sample_rate)
    return {"reason": "", "message": "", "digest": digest, **asdict(facts), **measured}


def _send(answer: dict[str, Any], wave: measures.Wave | None = None) -> None:
    """Write an answer and the samples that follow it."""
    if wave is not None:
        answer["samples"] = len(wave)
    out = sys.stdout.buffer
    out.write(json.dumps(answer).encode() + b"\n")
    if wave is not None:
        out.write(np.ascontiguousarray(wave, np.float32).data)
    out.flush()


def _limit_time(seconds: float) -> None:
    """Limit the processor time of all threads from now on; beyond it the process ends (SIGPROF)."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _pieces(path: Path, seconds: float) -> None:
    for piece in audio_file.pieces_16k(path):
        if len(piece):
            _send({"reason": ""}, piece)
        _limit_time(seconds)
    _send({"reason": ""})


def _answer(request: dict[str, Any], path: Path) -> None:
    match request["do"]:
        case "facts":
            _send({"reason": "", "facts": asdict(audio_file.facts(path))})
        case "read":
            wave, facts = audio_file.read(path, request["channel"])
            _send({"reason": "", "facts": asdict(facts)}, wave)
        case "part":
            wave, rate = audio_file.part(path, request["first"], request["last"])
            _send({"reason": "", "sample_rate": rate}, wave)
        case "pieces":
            _pieces(path, request["seconds"])


def _serve(request: dict[str, Any]) -> None:
    """Answer a request within its processor time, with the reason if the file cannot be read."""
    path = Path(request["path"])
    _limit_time(request["seconds"])
    try:
        if request["do"] == "inspect":
            _send(inspect(path))
        else:
            _answer(request, path)
    except AudioRefused as error:
        _send({"reason": error.reason, "message": str(error)})
    except FileNotFoundError:
        _send({"reason": "missing", "message": "It no longer exists."})
    except OSError as error:
        _send({"reason": "unreadable", "message": f"It cannot be read ({error.strerror}); check the disk."})
    _limit_time(0)


def _receive(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Queue requests until standard input is closed, then end the process, even during a read."""
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    os._exit(0)


def main() -> None:
    limited_process.limit_memory(MOST_MEMORY)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    _send({})  # ready
    while True:
        _serve(requests.get())


if __name__ == "__main__":
    main()
