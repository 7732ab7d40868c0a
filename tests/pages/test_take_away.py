"""The cards of the Model section: what each place gets, measured as it hears, and why another cannot take the model."""

import hashlib
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from onnx import TensorProto, helper

from pages.ui.evaluation import take_away
from tests import tone_model
from tests.pages.tools import draw, press
from tests.run_folders import end, make_run
from tests.tiny import make_workspace
from trainer.detector import targets
from trainer.detector.detector_file import NAME, DetectorFile, Threshold, Unsmoothed
from trainer.detector.targets import TARGETS
from trainer.evaluation import evaluations
from trainer.run import runs
from trainer.streams.stream_set import ScoredStream, point_at
from trainer.system import durable, job
from trainer.system.workspace import Workspace

TITLES = ["Home Assistant", "Wyoming", "openWakeWord", "Python", "Browser", "ONNX"]
MEASURED = Threshold(source="validation_stream", false_accepts=1, hours=1.25, words=8, miss_rate=0.25)


def head_bytes() -> bytes:
    """A head that openWakeWord could load: embeddings [1, frames, 96] to [1, 1]."""
    nodes = [
        helper.make_node("ReduceMean", ["embeddings"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Sigmoid", ["mean"], ["one"]),
        helper.make_node("Unsqueeze", ["one", "axis"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes, "head",
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, [1, tone_model.PER_WINDOW, 96])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [1, 1])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workspace = make_workspace(tmp_path_factory.mktemp("made"), hard_negatives=8)
    run = make_run(workspace, 1, "Hey Atlas", epochs=3)
    end(run, "completed", "All done.")
    tone_model.evaluated(workspace, run)
    return workspace


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """An evaluated run whose model has heads for other programs."""
    workspace = Workspace(tmp_path / "workspace")
    shutil.copytree(made.root, workspace.root, copy_function=shutil.copy2)
    monkeypatch.setenv("WAKEWORD_ROOT", str(workspace.root))
    (found,) = runs.all_runs(workspace)
    add_heads(found, {"openwakeword.onnx": head_bytes(), "openwakeword.tflite": b"\x1c\0\0\0TFL3 and more"})
    return found


def document(run) -> DetectorFile:
    return durable.read_document(DetectorFile, run.model / NAME)


def add_heads(run, heads: dict[str, bytes]) -> None:
    file = document(run)
    for name, data in heads.items():
        (run.model / name).write_bytes(data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in heads.items()}
    own = Unsmoothed(threshold=0.8, threshold_from=MEASURED)
    changed = file.model_copy(update={"files": file.files | digests, "unsmoothed": own})
    durable.replace_json(run.model / NAME, changed.model_dump())


def written(app) -> str:
    """All Markdown of the page, without what escapes it."""
    return " ".join(each.value for each in app.markdown).replace("\\", "")


def test_each_place_has_its_threshold_its_files_and_its_steps(run):
    app = draw("Evaluation", run.id, "Model")
    assert [each.value for each in app.subheader] == TITLES
    told = written(app)
    for name, target in TARGETS.items():
        package = targets.package(target, run.model, document(run), "Hey Atlas")
        assert take_away.facts(package, None, None)[0] in told and f"Threshold {package.threshold:g}" in told
        assert all(step in told for step in (each.replace("\\", "") for each in package.steps)), name
    labels = [each.proto.label for each in app.get("download_button")]
    assert labels == [*(f"Download for {title}" for title in TITLES), "Download the model"]


def test_processor_time_is_told_where_our_detector_listens(run):
    file = document(run).model_copy(update={"core_share": 0.0174})
    durable.replace_json(run.model / NAME, file.model_dump())
    assert written(draw("Evaluation", run.id, "Model")).count("Takes 1.7 % of a core") == 2


def test_the_zip_holds_exactly_what_the_place_loads(run):
    package = targets.package(TARGETS["home-assistant"], run.model, document(run), "Hey Atlas")
    with zipfile.ZipFile(io.BytesIO(take_away.zipped(package.files))) as archive:
        assert archive.namelist() == ["hey_atlas.tflite", "hey_atlas.json"] and archive.testzip() is None
        assert archive.read("hey_atlas.tflite") == (run.model / "openwakeword.tflite").read_bytes()
        assert json.loads(archive.read("hey_atlas.json"))["openWakeWord"] == {"probability_cutoff": 0.8}


def counted_anew(run, threshold: float):
    """Misses and false accepts of raw scores, two seconds apart, in the streams of the evaluation."""
    (evaluation,) = evaluations.all_of(run)
    folder = evaluations.folder_of(run, evaluation.id)
    raw = np.load(folder.tracks_file)
    recordings = evaluations.read_streams(folder, evaluation)
    return point_at(
        [ScoredStream(each.recording, raw[each.recording.name].astype(float), 0.1, 2.0) for each in recordings],
        threshold,
    )


def test_a_card_tells_what_was_measured_of_its_own_file(run):
    point = counted_anew(run, 0.8)
    assert point.words > 5 and point.misses != counted_anew(run, 0.999).misses
    told = written(draw("Evaluation", run.id, "Model"))
    assert f"On an evaluation: misses {point.misses} of {point.words} words" in told
    shutil.rmtree(run.folder / "evaluation")
    told = written(draw("Evaluation", run.id, "Model"))
    assert "On the validation stream: misses 2 of 8 words (25.0 %); false accepts: 1 in 1.25 h" in told
    assert "not measured" in told, "the threshold of the detector is the default"


def test_a_budget_of_the_user_s_chooses_the_threshold_of_every_file(run):
    app = draw("Evaluation", run.id)
    press(app, "Use this estimate")
    file = document(run)
    assert file.threshold_from.source == file.unsmoothed.threshold_from.source == "evaluation"
    own, per_hour = file.unsmoothed, file.threshold_from.false_accepts_per_hour
    at, below = counted_anew(run, own.threshold), counted_anew(run, own.threshold - 2e-6)
    assert own.threshold_from.false_accepts == at.false_accepts <= per_hour * at.hours < below.false_accepts
    assert own.threshold_from.miss_rate == pytest.approx(at.miss_rate)


def test_a_model_on_other_features_goes_where_it_can_and_says_why_not_elsewhere(run):
    file = document(run)
    for head in run.model.glob("openwakeword.*"):
        head.unlink()
    only = {"model.onnx": file.files["model.onnx"]}
    durable.replace_json(run.model / NAME, file.model_copy(update={"files": only, "unsmoothed": None}).model_dump())
    app = draw("Evaluation", run.id, "Model")
    assert [each.value for each in app.subheader] == TITLES
    refusals = [each.value.replace("\\", "") for each in app.info]
    assert len(refusals) == 2 and all("Train with the preset recommended" in each for each in refusals)
    labels = [each.proto.label for each in app.get("download_button")]
    assert labels == [
        *(f"Download for {title}" for title in ("Wyoming", "Python", "Browser", "ONNX")),
        "Download the model",
    ]


def test_a_model_of_an_earlier_version_is_exported_again(run, monkeypatch):
    file = document(run)
    kept = {name: digest for name, digest in file.files.items() if not name.endswith(".tflite")}
    durable.replace_json(run.model / NAME, file.model_copy(update={"files": kept}).model_dump())
    app = draw("Evaluation", run.id, "Model")
    assert any("without openwakeword.tflite" in each.value.replace("\\", "") for each in app.info)
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    press(app, "Export the model again")
    assert started == [("export", [run.id])]
