"""Piper voices: a small network with the inputs and outputs of a real one, made here."""

import json
import os
import time
from pathlib import Path

import onnx
import psutil
import pytest
import soundfile
from onnx import TensorProto, helper

from tests import fork_server, hostile_voices
from tests.pages.tools import draw, press, texts
from tests.run_folders import workspace_at
from tests.tiny import ignore
from tests.waiting import wait_for
from trainer.dataset import importing
from trainer.synthesis import espeak, piper, recipes, voice_model
from trainer.synthesis.recipes import Recipe
from trainer.system import job
from trainer.system.workspace import Workspace

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
    assert espeak.ipa(["hello"], "en-us")["hello"] == "həlˈoʊ"


def test_an_order_is_spoken_by_the_users_own_voices(tmp_path):
    make_voice(tmp_path / "voices", "anna")
    make_voice(tmp_path / "voices" / "more", "crowd", speakers=3)
    workspace = Workspace(tmp_path / "workspace")
    counts = {"positive": 8, "hard_negative": 4, "background": 2}
    wanted = Recipe("hello moon", counts=counts, piper=str(tmp_path / "voices"))
    assert recipes.synthesise(workspace, wanted, ignore).counts == counts
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
    wanted = Recipe("hello moon", counts={"positive": 1}, piper=str(where))
    with pytest.raises(ValueError, match=r"no Piper voice|is not an ONNX model|not a description"):
        recipes.synthesise(Workspace(tmp_path / "workspace"), wanted, ignore)


def test_the_page_takes_voices_from_the_allowed_folders_only(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("WAKEWORD_ROOT", str(workspace_at(tmp_path / "here").root))
    monkeypatch.setenv(importing.ROOTS_VARIABLE, str(tmp_path / "mine"))
    app = draw("Dataset")
    app.text_input(key="order_phrase").set_value("hello moon")
    app.text_input(key="order_piper").set_value("/etc")
    assert any("is not inside" in text for text in texts(press(app, "Synthesise clips")))


def test_a_voice_may_compute_for_seconds():
    assert (voice_model.LOAD_SECONDS, voice_model.LOAD_SECONDS_PER_MEGABYTE) == (10.0, 0.2)
    assert (piper.SPEAK_SECONDS, piper.SPEAK_SECONDS_PER_ID) == (10.0, 0.25)


@pytest.mark.parametrize("kind", hostile_voices.HOSTILE)
def test_a_hostile_voice_is_one_sentence(tmp_path, monkeypatch, kind: str):
    if "loop" in kind:  # it is not waited for as long as a voice may take
        monkeypatch.setattr(piper, "SPEAK_SECONDS", 1.0)
        monkeypatch.setattr(piper, "SPEAK_SECONDS_PER_ID", 0.0)
    file = make_voice(tmp_path / "voices", "anna")
    hostile_voices.spoil(file, kind)
    wanted = Recipe("hello moon", counts={"positive": 1}, piper=str(file))
    begun, before = time.process_time(), psutil.Process().memory_info().rss
    with pytest.raises(ValueError, match=hostile_voices.HOSTILE[kind]) as refused:
        recipes.synthesise(Workspace(tmp_path / "workspace"), wanted, ignore)
    assert str(refused.value).startswith(f"{file} ") and "\n" not in str(refused.value)
    assert time.process_time() - begun < 3 and psutil.Process().memory_info().rss - before < 300e6
    assert not [child for child in psutil.Process().children() if voice_model.PROCESS in child.cmdline()]


def test_a_hostile_voice_among_many_is_told_before_any_speaks(tmp_path):
    make_voice(tmp_path / "voices", "anna")
    hostile_voices.spoil(make_voice(tmp_path / "voices", "bad"), "expanded")
    told: list[int] = []
    wanted = Recipe("hello moon", counts={"positive": 20}, piper=str(tmp_path / "voices"))
    with pytest.raises(ValueError, match=r"bad\.onnx takes too much memory"):
        recipes.synthesise(Workspace(tmp_path / "workspace"), wanted, lambda done, total, doing: told.append(done))
    assert not any(told)


@pytest.mark.parametrize("place", ["voice", "description"])
def test_a_pipe_is_never_opened_and_a_giant_never_read(tmp_path, place: str):
    file = make_voice(tmp_path / "voices", "anna")
    spoilt = file if place == "voice" else file.with_name("anna.onnx.json")
    wanted = Recipe("hello moon", counts={"positive": 1}, piper=str(tmp_path / "voices"))
    os.truncate(spoilt, 1 << 40)
    with pytest.raises(ValueError, match=r"is larger than \d+ MB"):
        recipes.synthesise(Workspace(tmp_path / "workspace"), wanted, ignore)
    spoilt.unlink()
    os.mkfifo(spoilt)
    with pytest.raises(ValueError, match=r"It is a pipe|no Piper voice"):
        recipes.synthesise(Workspace(tmp_path / "workspace"), wanted, ignore)


@pytest.mark.parametrize(
    "changes",
    [
        {"audio": {"sample_rate": 1}},
        {"audio": {"sample_rate": 10**9}},
        {"espeak": {"voice": "../../../etc/passwd"}},
        {"espeak": {"voice": "\ud800"}},
        {"inference": {"length_scale": 1e30}},
        {"inference": {"length_scale": float("nan")}},
        {"inference": {"noise_scale": float("inf")}},
        {"phoneme_id_map": {"h": [1 << 70]}},
        {"phoneme_id_map": {"h": [1] * 100_000}},
        {"phoneme_id_map": {chr(0x4E00 + n): [n] for n in range(10_001)}},
        {"num_speakers": 10**9},
        {"num_speakers": -1},
        {"phoneme_id_map": {"a\n\x1b[2Jb": ["x"]}},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_a_description_of_no_bounds_is_refused(tmp_path, changes: dict):
    beside = make_voice(tmp_path / "voices", "anna").with_name("anna.onnx.json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | changes))
    with pytest.raises(ValueError, match="is not a description of a Piper voice") as refused:
        piper.voices_at(str(tmp_path / "voices"))
    assert len(str(refused.value).replace(str(beside), "")) < 250 and str(refused.value).isprintable()


def test_a_hostile_voice_is_one_sentence_on_the_command_line_and_on_the_page(tmp_path, monkeypatch):
    file = make_voice(tmp_path / "voices", "anna")
    hostile_voices.spoil(file, "expanded")
    workspace = workspace_at(tmp_path / "here")
    words = ("synthesise", "--phrase", "hello moon", "--positives", "1", "--piper", file)
    done = fork_server.command("--root", workspace.root, *words)
    assert done.returncode == 2 and f"{file} takes too much memory. Choose another voice." in done.stderr
    assert "Traceback" not in done.stderr and not list(workspace.raw.rglob("*.wav"))
    monkeypatch.setenv("WAKEWORD_ROOT", str(workspace.root))
    monkeypatch.setenv(importing.ROOTS_VARIABLE, str(tmp_path))
    app = draw("Dataset")
    app.text_input(key="order_phrase").set_value("hello moon")
    app.text_input(key="order_piper").set_value(str(file))
    press(app, "Synthesise clips")
    wait_for(lambda: (found := job.read(workspace, "synthesise")) is not None and found.state != "running")
    assert any("takes too much memory. Choose another voice." in text for text in texts(app.run()))
