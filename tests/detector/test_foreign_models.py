"""A model of a stranger neither hangs nor fills the process that would load it: it is tried in one with limits."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from tests import documented, fork_server, tone_model
from tests.hostile_models import boundless, failing_on_words, hostile, misshapen, sealed
from tests.pages.tools import draw, field
from tests.run_folders import end, make_run, workspace_at
from tests.tiny import RATE, clip_of, ignore
from tests.waiting import PATIENCE
from trainer.detector import detector, onnx_file
from trainer.detector.detector_file import MODEL, NAME, ColumnFacts, DetectorFile
from trainer.run import archive, runs
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import PROJECT_ROOT

KINDS = (
    "loop", "loop in a branch", "loop in a function", "scan", "a domain of its own", "random", "sizes by value",
    "a terabyte", "two gigabytes", "expanded", "tiled", "a range", "filled as loud", "expanded as loud", "padded",
    "slow", "many operations", "a terabyte for eight windows", "a terabyte for a sound of one length",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tone_model.write(folder, "20260101-000000-0000")
    return folder


@pytest.fixture(scope="module")
def models(model: Path) -> dict[str, tuple[bytes, str]]:
    found = hostile(model)
    assert set(found) == set(KINDS)
    return found


def test_a_trial_may_compute_for_seconds():
    assert (onnx_file.COMPUTE_SECONDS, onnx_file.COMPUTE_SECONDS_PER_MEGABYTE) == (15.0, 0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_model_is_refused_in_a_sentence(kind: str, model: Path, models, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "COMPUTE_SECONDS", 3.0)  # a model that computes for longer is not waited for here
    folder = sealed(model, tmp_path / "sealed", models[kind][0])
    begun, before = time.process_time(), psutil.Process().memory_info().rss
    with pytest.raises(ValueError, match=models[kind][1]) as refused:
        detector.load(folder)
    assert str(folder) in str(refused.value) and "\n" not in str(refused.value)
    assert time.process_time() - begun < 5, "this process has computed with it"
    assert psutil.Process().memory_info().rss - before < 300e6
    assert not [child for child in psutil.Process().children() if "trainer.detector.model_trial" in child.cmdline()]


def test_what_gives_no_probability_is_refused(model, tmp_path):
    for name, data in (("misshapen", misshapen(model)), ("boundless", boundless(model))):
        with pytest.raises(ValueError, match=r"returns no probability|returns values of shape|cannot be run"):
            detector.load(sealed(model, tmp_path / name, data))


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": ColumnFacts(step_samples=1_000_000, context_samples=1_000_000, dropped=0, per_window=1_000_000)},
        {"columns": ColumnFacts(step_samples=1, context_samples=1_000_000, dropped=16, per_window=1_000_000)},
        {"hop_ms": 1.0},
    ],
    ids=str,
)
def test_a_document_that_does_not_fit_its_model_is_refused(changes: dict, model: Path, tmp_path):
    folder = sealed(model, tmp_path / "sealed", (model / "model.onnx").read_bytes(), **changes)
    with pytest.raises(ValueError, match=r"takes too much memory|cannot be run|returns values of shape"):
        detector.load(folder)


@pytest.fixture(scope="module")
def looping(model, models, tmp_path_factory) -> Path:
    """The folder of a model that would never end."""
    return sealed(model, tmp_path_factory.mktemp("looping") / "model", models["loop"][0])


@pytest.fixture
def run(tmp_path, looping) -> Run:
    """A run with that model, as it is taken from a stranger by hand."""
    found = make_run(workspace_at(tmp_path / "here"))
    end(found, "completed", "All done.")
    shutil.copytree(looping, found.model)
    found.checkpoints.mkdir(exist_ok=True)
    best = Best(epoch=3, val_loss=0.1, val_accuracy=1.0, checkpoint="epoch-3.pt")
    durable.replace_json(found.checkpoints / "best.json", best.model_dump())
    return found


def command(root: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return fork_server.command("--root", root, *arguments, timeout=PATIENCE)


@pytest.mark.parametrize("name", ["model.onnx", "model.int8.onnx", "openwakeword.onnx"])
def test_a_packed_run_with_a_hostile_model_is_not_taken_in(run, name, tmp_path):
    file = durable.read_document(DetectorFile, run.model / NAME)
    durable.replace_json(run.model / NAME, file.model_copy(update={"files": {name: file.files[MODEL]}}).model_dump())
    (run.model / MODEL).rename(run.model / name)
    there, packed = workspace_at(tmp_path / "there"), archive.pack(run, tmp_path / "run.zip", ignore)
    done = command(there.root, "unpack", packed)
    assert done.returncode == 2 and "contains the operation 'Loop'" in done.stderr and f"model/{name}" in done.stderr
    assert "Traceback" not in done.stderr and runs.all_runs(there) == []
    assert not (there.runs / ".incoming").exists()


def test_a_run_with_a_hostile_model_is_refused_by_every_verb(run, looping, tmp_path):
    root = run.workspace.root
    soundfile.write(tmp_path / "a.wav", [0.0] * 16000, 16000)
    for arguments in (("detect", looping, tmp_path / "a.wav"), ("detect", looping / "model.onnx", tmp_path / "a.wav")):
        done = command(root, *arguments)
        assert done.returncode == 2 and "contains the operation 'Loop'" in done.stderr, done.stderr
    done = command(root, "export", run.id, tmp_path / "out")
    assert done.returncode == 2 and "contains the operation 'Loop'" in done.stderr, done.stderr
    assert "It cannot be made anew: " in done.stderr and not (tmp_path / "out").exists()


def test_the_documented_program_refuses_it_too(looping, tmp_path):
    code = documented.program(documented.LISTEN_PAGE)
    (tmp_path / "listen.py").write_text(code)
    done = subprocess.run(
        [sys.executable, tmp_path / "listen.py", looping], input=bytes(32000), capture_output=True, timeout=PATIENCE,
        env={"PYTHONPATH": str(PROJECT_ROOT)}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1 and b"contains the operation 'Loop'" in done.stderr


@pytest.mark.parametrize("told", ["cannot be run", "returns no probability"])
def test_a_model_that_fails_on_a_sound_ends_no_verb_with_a_trace(model, told, tmp_path):
    folder = sealed(model, tmp_path / "sealed", failing_on_words(model)[told])
    rng, root = np.random.default_rng(0), workspace_at(tmp_path / "here").root
    soundfile.write(tmp_path / "noise.wav", 0.1 * rng.standard_normal(RATE), RATE)
    soundfile.write(tmp_path / "word.wav", clip_of(rng, 600.0), RATE)
    done = command(root, "detect", folder, tmp_path / "word.wav", tmp_path / "noise.wav")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert f"word.wav: The model {told}" in done.stderr and "noise.wav  nothing detected" in done.stdout
    samples = (clip_of(rng, 600.0) * 32767).astype(np.int16).tobytes()
    done = fork_server.command("detect", folder, "-", data=samples, timeout=PATIENCE)
    assert done.returncode == 2 and "Traceback" not in done.stderr and f"The model {told}" in done.stderr


@pytest.mark.parametrize("section", ["Listen", "Model"])
def test_the_pages_say_so(run, section, monkeypatch):
    monkeypatch.setenv("WAKEWORD_ROOT", str(run.workspace.root))
    app = draw("Evaluation", run.id, section)
    assert "contains the operation 'Loop'" in app.error[0].value.replace("\\", "")
    assert field(app, "button", "Export the model again") and not app.get("download_button")


def test_a_model_that_crashes_the_process_is_one_sentence(model, monkeypatch):
    """No graph is known that does; the process of the trial is ended in its place."""
    monkeypatch.setattr(onnx_file, "TRIAL", "tests.crashing_trial")
    with pytest.raises(onnx_file.ModelRefused, match=r"is refused: it crashed \(SIGSEGV\) during its trial"):
        detector.load(model)


def test_a_sound_model_is_tried_once_and_hears_as_quickly_as_before(model):
    begun = time.process_time()
    loaded = detector.load(model)
    assert time.process_time() - begun < 1
    begun = time.process_time()
    loaded.stream().push(np.zeros(160_000, np.float32))
    assert time.process_time() - begun < 0.5
