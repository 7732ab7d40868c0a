"""Reads strangers' audio files in a process of its own, limited in memory: what a decoder can do wrong stays here.

Paths come as JSON lists, a line each, on standard input; each file is answered with one JSON object on one line.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from trainer import audio_file
from trainer.audio_file import AudioRefused
from trainer.dataset import measures

MOST_MEMORY = 400 << 20
"""Address space of the process in bytes beyond its libraries at the start; with them it stays below 512 MB."""
_HASHED_AT_ONCE = 1 << 20


def _limit_memory() -> None:
    with contextlib.suppress(OSError, ValueError):  # macOS has no limit of the address space
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_MEMORY, used + MOST_MEMORY))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def audio_digest(wave: measures.Wave, sample_rate: int) -> str:
    """SHA-256 of the samples as 16 bits: the same audio in any container has the same."""
    digest = hashlib.sha256(f"{sample_rate}\n".encode())
    for first in range(0, len(wave), _HASHED_AT_ONCE):
        samples = np.rint(np.clip(wave[first : first + _HASHED_AT_ONCE], -1, 1) * 32767).astype("<i2")
        digest.update(samples.tobytes())
    return digest.hexdigest()


def inspect(path: Path) -> dict[str, Any]:
    """Facts and measures of a clip, or `reason` and `message` of a refusal."""
    try:
        before = path.stat(follow_symlinks=False)
        wave, facts = audio_file.read(path)
        after = path.stat(follow_symlinks=False)
        measured = asdict(measures.measure(wave, facts.sample_rate))
    except AudioRefused as error:
        return {"reason": error.reason, "message": str(error)}
    except FileNotFoundError:
        return {"reason": "vanished", "message": "It vanished during the scan; scan again."}
    except OSError as error:
        told = f"It cannot be read ({error.strerror}); check its permissions and the disk."
        return {"reason": "unreadable", "message": told}
    except MemoryError:
        return {"reason": "too_large", "message": "It needs too much memory; cut it into pieces."}
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return {"reason": "changing", "message": "It changed during the scan; scan again."}
    measured["fingerprint"] = base64.b64encode(measured["fingerprint"]).decode()
    digest = audio_digest(wave, facts.sample_rate)
    return {"reason": "", "message": "", "digest": digest, **asdict(facts), **measured}


def main() -> None:
    _limit_memory()
    sys.stdout.write("{}\n")  # ready: from here on time counts
    sys.stdout.flush()
    for line in sys.stdin:
        for name in json.loads(line):
            answer = inspect(Path(name))
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
