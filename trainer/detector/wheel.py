"""The wheel of the detector alone: `python -m trainer.detector.wheel DIR` packs this room and all that it needs.

They become the package `wakeword_detector`, so that they are in nobody's way: in the text of each module, `trainer.`
becomes `wakeword_detector.`. Format: packaging.python.org, binary distribution format.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from trainer.system import durable
from trainer.system.workspace import PROJECT_ROOT

NAME = "wakeword_detector"
DEPENDENCIES = ("numpy", "onnxruntime", "onnx", "pydantic", "psutil", "soundfile", "soxr")
OPTIONAL = "sounddevice"
LEFT_OUT = ("targets", "wake_session", "wheel", "wyoming_client", "wyoming_server")
"""Modules of this room that a device does not need."""
WHEEL = b"Wheel-Version: 1.0\nGenerator: wakeword-studio\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_IMPORT = re.compile(r"^\s*(?:from (trainer[\w.]*) import \(?([\w, ]+)|import (trainer[\w.]+))", re.MULTILINE)
_NAMED = re.compile(r'"(trainer\.[\w.]+)"')
"""A module that is started as a process."""


def build(folder: Path) -> Path:
    """Write the wheel into a folder; returns it. Raises OSError."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, data = project["version"], dict[str, bytes]()
    for module in sorted(_modules()):
        path = _path(module)
        text = re.sub(r"\btrainer\.", f"{NAME}.", path.read_text(encoding="utf-8"))
        data[str(Path(NAME) / path.relative_to(PROJECT_ROOT / "trainer").as_posix())] = text.encode()
    about = f"{NAME}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.3", "Name: wakeword-detector", f"Version: {version}"]
    metadata += ["Summary: Listens for a wake word with a model of Wakeword Studio.", "License-Expression: Apache-2.0"]
    metadata += [f"Requires-Python: {project['requires-python'].partition(',')[0]}", "Provides-Extra: microphone"]
    metadata += [f"Requires-Dist: {line}" for line in _requirements(project["dependencies"])]
    data[f"{about}/METADATA"] = ("\n".join(metadata) + "\n").encode()
    data[f"{about}/WHEEL"] = WHEEL
    data[f"{about}/entry_points.txt"] = f"[console_scripts]\nwakeword-detect = {NAME}.detector.command:main\n".encode()
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in data.items())
    data[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    target, packed = folder / f"{NAME}-{version}-py3-none-any.whl", io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in data.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    durable.replace_bytes(target, packed.getvalue(), 0o644)
    return target


def _requirements(locked: list[str]) -> Iterator[str]:
    """The dependencies with the ranges of the project."""
    ranges = {re.split(r"[<>=]", line)[0]: line for line in locked}
    yield from (ranges[name] for name in DEPENDENCIES)
    yield f"{ranges[OPTIONAL]}; extra == 'microphone'"


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _modules() -> set[str]:
    """The modules of this room but those left out, and all that they import."""
    waiting = [f"trainer.detector.{path.stem}" for path in Path(__file__).parent.glob("*.py")]
    waiting = [name for name in waiting if name.rpartition(".")[2] not in LEFT_OUT]
    modules = set[str]()
    while waiting:
        name = waiting.pop().removesuffix(".__init__")
        if name in modules or not _path(name).is_file():
            continue
        modules.add(name)
        waiting += [name.rpartition(".")[0]] if "." in name else []
        text = _path(name).read_text(encoding="utf-8")
        for package, names, module in _IMPORT.findall(text):
            waiting += [module or package, *(f"{package}.{each.strip()}" for each in names.split(",") if package)]
        waiting += _NAMED.findall(text)
    return modules


def _path(module: str) -> Path:
    base = PROJECT_ROOT.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
