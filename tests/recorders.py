"""Microphones that are none: a recording program that makes noise, and a machine without any."""

import sys
from pathlib import Path

ARECORD = """#!{python}
import random, sys, time
random.seed(0)
block = bytes(random.randrange(256) if index % 2 == 0 else random.randrange(8) for index in range(2560))
while True:
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
    time.sleep(0.008)
"""
"""Ten times as fast as a real one."""


def arecord(folder: Path) -> str:
    """Make a folder for PATH whose `arecord` records noise; returns it."""
    folder.mkdir()
    program = folder / "arecord"
    program.write_text(ARECORD.format(python=sys.executable))
    program.chmod(0o700)
    return str(folder)


def no_microphone(folder: Path) -> dict[str, str]:
    """The environment of a machine without PortAudio and recording programs."""
    folder.mkdir()
    (folder / "sounddevice.py").write_text('raise OSError("PortAudio library not found")\n')
    return {"PYTHONPATH": str(folder), "PATH": str(folder)}
