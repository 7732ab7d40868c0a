"""Piper voices: a small network with the inputs and outputs of a real one, made here."""

import json
from pathlib import Path

import onnx
import pytest
import soundfile
from onnx import TensorProto, helper

from tests.pages.tools import draw, press, texts
from tests.run_folders import workspace_at
from tests.tiny import ignore
from trainer.dataset import importing
from trainer.synthesis import order, piper, speech
from trainer.workspace import Workspace

IDS = {c: [i] for i, c in enumerate("_^$ ˈhetlsɪaəæoʊmnuː")}


def make_voice(folder: Path, name: str, speakers: int = 1) -> Path:
    """A voice that hums 800 samples for each id, slower by the second scale; speakers differ in nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "n"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
        *([helper.make_tensor_value_info("sid", TensorProto.INT64, [1])] if speakers > 1 else []),
    ]
    constants = {"pace": 800.0, "zero": 0.0, "one": 1.0, "radians": 0.2}
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in constants.items()]
    weights += [
        helper.make_tensor("second", TensorProto.INT64, [], [1]),
        helper.make_tensor("shape", 7, [4], [1, 1, 1, -1]),
    ]
    nodes = [
        helper.make_node("ReduceMax", ["input_lengths"], ["count"], keepdims=0),
        helper.make_node("Cast", ["count"], ["length"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["scales", "second"], ["slowness"]),
        helper.make_node("Mul", ["length", "pace"], ["at_one"]),
        helper.make_node("Mul", ["at_one", "slowness"], ["total"]),
        helper.make_node("Range", ["zero", "total", "one"], ["time"]),
        helper.make_node("Mul", ["time", "radians"], ["angle"]),
        helper.make_node("Sin", ["angle"], ["wave"]),
        helper.make_node("Reshape", ["wave", "shape"], ["output"]),
    ]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "t"])]
    graph = helper.make_graph(nodes, "voice", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / f"{name}.onnx"))
    facts = {
        "audio": {"sample_rate": 22050},
        "espeak": {"voice": "en-us"},
        "phoneme_id_map": IDS,
        "num_speakers": speakers,
    }
    (folder / f"{name}.onnx.json").write_text(json.dumps(facts))
    return folder / f"{name}.onnx"


def test_ids_are_padded_begun_and_ended():
    assert piper.phoneme_ids("hé", {"_": [0], "^": [1], "$": [2], "h": [5], "e": [6]}) == [1, 0, 5, 0, 6, 0, 2]
    assert speech.ipa(["hello"], "en-us")["hello"] == "həlˈoʊ"


def test_an_order_is_spoken_by_the_users_own_voices(tmp_path):
    make_voice(tmp_path / "voices", "anna")
    make_voice(tmp_path / "voices" / "more", "crowd", speakers=3)
    workspace = Workspace(tmp_path / "workspace")
    counts = {"positive": 8, "hard_negative": 4, "background": 2}
    wanted = order.Order("hello moon", counts=counts, piper=str(tmp_path / "voices"))
    assert order.fill(workspace, wanted, ignore).counts == counts
    folders = sorted(path.name for path in (workspace.raw / "positive").iterdir())
    assert folders == ["demo-anna", "demo-crowd-0000", "demo-crowd-0001", "demo-crowd-0002"]
    clip = soundfile.info(next((workspace.raw / "positive" / "demo-anna").iterdir()))
    assert clip.samplerate == 16000 and 0.8 < clip.duration < 4


@pytest.mark.parametrize("damage", ["no json", "no model", "broken json", "broken model", "nothing"])
def test_what_is_no_voice_is_one_sentence(tmp_path, damage: str):
    file = make_voice(tmp_path / "voices", "anna")
    if damage == "no json":
        (tmp_path / "voices" / "anna.onnx.json").unlink()
    elif damage == "no model":
        file.unlink()
    elif damage == "broken json":
        (tmp_path / "voices" / "anna.onnx.json").write_text("{")
    elif damage == "broken model":
        file.write_bytes(b"\x80\x04no model")
    where = tmp_path / ("nowhere" if damage == "nothing" else "voices")
    wanted = order.Order("hello moon", counts={"positive": 1}, piper=str(where))
    with pytest.raises(ValueError, match=r"no Piper voice|cannot be loaded|no description"):
        order.fill(Workspace(tmp_path / "workspace"), wanted, ignore)


def test_the_page_takes_voices_from_the_allowed_folders_only(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("WAKEWORD_ROOT", str(workspace_at(tmp_path / "here").root))
    monkeypatch.setenv(importing.ROOTS_VARIABLE, str(tmp_path / "mine"))
    app = draw("Dataset")
    app.text_input(key="order_phrase").set_value("hello moon")
    app.text_input(key="order_piper").set_value("/etc")
    assert any("is not inside" in text for text in texts(press(app, "Synthesise clips")))
