"""The versions that a run is made with."""

from __future__ import annotations

import importlib.metadata
import platform


def package_versions() -> dict[str, str]:
    """Of Python, the system and the packages that decide what a training comes to."""
    names = ("wakeword-studio", "torch", "torchaudio", "numpy", "soundfile")
    known = {"python": platform.python_version(), "platform": platform.platform()}
    for name in names:
        try:
            known[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return known
