"""What is exported says the same as what was trained, alone and in a stream, and every run leaves it at its end."""

import json
import shutil
import subprocess

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from tests import fork_server
from tests.detectors import RATE, config_of, network_of, sounds, write
from tests.engine.test_embedding import detector_embeddings
from tests.run_folders import end_all
from tests.tiny import ignore, make_workspace, tiny_config
from tests.waiting import wait_until
from trainer.__main__ import app
from trainer.audio import audio_file
from trainer.catalog import trash
from trainer.config import config_file
from trainer.detector import detector, detector_file
from trainer.detector.stream_scores import Point
from trainer.engine import __main__ as engine
from trainer.engine.export import export, graphs, parity
from trainer.engine.features.features import front_end
from trainer.engine.training import shipped_threshold, validation
from trainer.estimates import model_size
from trainer.evaluation import operating_point, point_text
from trainer.run import launch, models
from trainer.run.documents import Best, Progress
from trainer.run.runs import Run
from trainer.system import durable, log_lines

EMBEDDED = [(name, {"kind": "speech_embedding"}) for name in ("gru", "lstm", "dense", "conv_attention")]
FEATURES = [
    ("tc_resnet", {"kind": kind, "normalisation": how, "frame_ms": frame})
    for kind, how, frame in (
        ("log_mel", "none", 32), ("log_mel", "window", 25), ("log_mel", "data_set", 20), ("mfcc", "window", 32),
        ("mfcc", "data_set", 25), ("pcen", "none", 20), ("pcen", "window", 25),
    )
]  # fmt: skip
STREAMED = [
    config_of(),
    config_of(hop_ms=12, normalisation="window"),
    config_of(kind="mfcc"),
    config_of(kind="pcen", hop_ms=16),
    config_of("gru", "speech_embedding"),
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def windows_of(wave: np.ndarray, size: int, hop: int) -> np.ndarray:
    """The windows [n, size] that end after each hop, with silence before the wave."""
    padded = np.concatenate([np.zeros(size - hop, np.float32), wave])
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, size)[::hop])


@pytest.mark.parametrize(
    ("name", "features"), [*((name, {}) for name in model_size.MODELS), *FEATURES, *EMBEDDED], ids=str
)
def test_the_exported_model_says_what_the_trained_one_says(name: str, features: dict):
    config = config_of(name, **features)
    network, wave = network_of(config), windows_of(sounds(5.0), round(RATE * config.data.window_seconds), RATE // 5)
    graph = graphs.detector_graph(config, network)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = network(front_end(config.features)(torch.from_numpy(wave))).sigmoid().numpy()
    assert expected.std() > 0.05, "the comparison would say little"
    for part in (slice(None), slice(3, 4)):
        (found,) = session.run(None, {detector_file.WAVEFORM: wave[part]})
        assert found.shape == expected[part].shape and np.abs(found - expected[part]).max() < 1e-4


@pytest.mark.parametrize("config", STREAMED, ids=lambda config: config.features.kind)
def test_a_stream_gives_the_scores_of_its_windows_in_whatever_pieces_it_comes(config, tmp_path):
    found = detector.load(write(tmp_path, config))
    wave = sounds(13.03)
    times, scores = found.scores(wave)
    windows = windows_of(wave, found.window_samples, found.hop_samples)
    assert len(scores) == len(windows) == len(wave) // found.hop_samples > detector.PIECE_HOPS
    np.testing.assert_allclose(times, np.arange(1, len(windows) + 1) * found.hop_samples / RATE)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    some = np.unique([0, 1, len(windows) - 1, *range(2, len(windows), 5)])
    (alone,) = session.run(None, {detector_file.WAVEFORM: windows[some]})
    assert np.abs(scores[some] - alone).max() < 1e-4 and scores.std() > 0.05
    sizes = np.random.default_rng(1).choice([1, 7, 333, 1280, 1601, 40_000], 400)
    ends = np.cumsum(sizes)
    pieces = np.split(wave, ends[ends < len(wave)])
    stream = found.stream()
    np.testing.assert_allclose(np.concatenate([stream.push(piece) for piece in pieces]), scores, atol=1e-6)
    heard = list(detector.listen(found, pieces))
    assert [each.time for each in heard] == [each.time for each in found.detections(scores)] and len(heard) > 2
    loud = np.rint(wave[:RATE] * 32767).astype(np.int16)
    np.testing.assert_array_equal(found.stream().push(loud), found.stream().push(loud / np.float32(32768)))


def test_a_head_is_what_openwakeword_loads_and_the_whole_is_what_it_hears(tmp_path):
    """Fed with the embeddings that its own code would make of the same stream."""
    config = config_of("gru", "speech_embedding")
    network = network_of(config)
    head = onnxruntime.InferenceSession(
        graphs.openwakeword_graph(config, network).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert head.get_inputs()[0].shape == [1, 16, 96] and head.get_outputs()[0].shape == [1, 1]
    samples = np.rint(32767 * sounds(4.0)).astype(np.int16)
    embeddings = detector_embeddings(samples)
    name = head.get_inputs()[0].name
    theirs = [head.run(None, {name: embeddings[None, end - 16 : end]})[0].item() for end in range(26, len(embeddings))]
    ours = detector.load(write(tmp_path, config, network)).stream().push(samples)
    np.testing.assert_allclose(ours[25:-1], theirs, atol=1e-3)
    assert np.std(theirs) > 0.05


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    made = make_workspace(tmp_path_factory.mktemp("workspace"))
    yield made
    end_all(made)


@pytest.fixture(scope="module")
def run(workspace) -> Run:
    """A run that has learned its tones."""
    started = launch.start(workspace, tiny_config(epochs=10), "tiny").run
    return wait_until(started, "completed", "failed").run


def call(workspace, *arguments: str) -> subprocess.CompletedProcess:
    return fork_server.command("--root", workspace.root, *arguments)


def answer(workspace, *arguments: str):
    done = call(workspace, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_run_ends_with_its_model_and_the_word_is_found_with_it(workspace, run: Run):
    file = durable.read_document(detector_file.DetectorFile, run.model / "detector.json")
    best = durable.read_document(Best, run.checkpoints / "best.json")
    assert (file.run, file.epoch, file.checkpoint) == (run.id, best.epoch, best.checkpoint)
    assert file.parity.within and file.parity.windows > 10 and file.threshold_from.source == "validation_stream"
    assert 0 < file.core_share < 0.5, "a small model listens in little of the time"
    log = "\n".join(log_lines.last_lines(run.log_file))
    assert f"Exported the model of epoch {file.epoch}; largest difference from the trained model " in log
    spoken, other = (workspace.raw / label / "voice1/1.wav" for label in ("positive", "negative"))
    first, second = answer(workspace, "detect", "latest", str(spoken), str(other), "--scores", "--threshold", "0.5")
    assert first["detections"] and not second["detections"]
    assert 0.4 < first["detections"][0]["time"] <= 1.4 and first["times"][:2] == [0.1, 0.2]
    assert len(first["scores"]) == len(first["times"]) == 15
    lower = answer(workspace, "detect", str(run.model), str(other), "--threshold", "0")
    assert [each["time"] for each in lower[0]["detections"]] == [0.1, 1.1]


def test_export_copies_makes_anew_what_is_damaged_and_tells_what_eight_bits_cost(workspace, run: Run, tmp_path):
    told = answer(workspace, "export", "latest", str(tmp_path / "plain"))
    assert answer(workspace, "export", run.id)["folder"] == str(run.model)
    assert told["files"] == ["model.onnx", "detector.json"] and told["int8"] is None
    (run.model / "model.onnx").write_bytes(b"of a disk that lies")
    done = call(workspace, "export", run.id, str(tmp_path / "small"), "--int8")
    assert done.returncode == 0 and "On the validation stream, at the same false accepts" in done.stdout, done.stderr
    cost = durable.read_document(detector_file.DetectorFile, tmp_path / "small/detector.json").int8
    assert 0 < cost.largest_difference < 0.3 and cost.int8.accuracy > 0.8
    assert cost.bytes == (tmp_path / "small/model.int8.onnx").stat().st_size and cost.int8_stream.words > 3
    wave = audio_file.read_16k(workspace.raw / "positive/voice1/1.wav")
    loaded = [detector.load(tmp_path / name) for name in ("plain", "small/model.int8.onnx")]
    assert loaded[1].file.threshold == cost.int8_stream.threshold
    exact, small = (each.scores(wave)[1] for each in loaded)
    assert 0 < np.abs(exact - small).max() < 0.3
    assert (tmp_path / "plain/model.onnx").read_bytes() == (tmp_path / "small/model.onnx").read_bytes()
    again = export.export(run, models.best_checkpoint(run), ignore)
    assert again.int8 and (run.model / "model.int8.onnx").is_file(), "as at the end of a run that went on"
    durable.replace_json(run.model / "detector.json", again.model_copy(update={"int8": None}).model_dump())


def test_another_checkpoint_is_exported_beside_the_best_one(workspace, run: Run, tmp_path):
    best = models.checkpoint_of(run, "best")
    other = next(name for name in models.checkpoints(run) if name != best)
    before = {path.name: path.read_bytes() for path in run.model.iterdir()}
    told = answer(workspace, "export", run.id, str(tmp_path), "--checkpoint", other.removesuffix(".pt"))
    assert told["checkpoint"] == other and told["parity"]["within"]
    told = list[str]()
    shutil.rmtree(run.folder / "models")
    folder = models.model_of(run, other, report=lambda done, total, doing: told.append(doing))
    assert [doing for doing in dict.fromkeys(told) if doing in export.STAGES] == list(export.STAGES[:3])
    assert folder == run.folder / "models" / other.removesuffix(".pt")
    assert {path.name: path.read_bytes() for path in run.model.iterdir()} == before
    assert (tmp_path / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes() != before["model.onnx"]
    assert models.model_of(run, "best") == models.model_of(run, best) == run.model
    assert models.checkpoint_of(run, "last") == models.checkpoints(run)[-1]
    for wrong in ("../model", "epoch-99999", ""):
        with pytest.raises(ValueError, match=r"has no checkpoint '.*'; it has best, last, epoch-000"):
            models.model_of(run, wrong)


def test_the_threshold_of_other_words_is_shipped_with_its_rates_in_the_validation_stream(run: Run, monkeypatch):
    """Measured at the export, as for a run whose training did not measure it."""
    before = durable.read_document(detector_file.DetectorFile, run.model / "detector.json")
    monkeypatch.setattr(export.composition, "FORMAT", export.composition.FORMAT + 1)
    monkeypatch.setattr(shipped_threshold, "prior_threshold", lambda config, per_hour: 0.999)
    file = export.export(run, before.checkpoint, ignore)
    assert (file.threshold, file.threshold_from.source) == (0.999, "prior")
    assert file.threshold_from.words == before.threshold_from.words and file.threshold_from.hours > 0
    assert file.threshold_from.miss_rate == 1.0 and file.threshold_from.false_accepts == 0
    point = operating_point.of_model(run, run.model)
    assert (point.threshold_from, point.measured_on, point.same_streams) == ("prior", "validation_stream", False)
    assert "from what models of other words did" in " ".join(point_text.sentences(point))
    durable.replace_json(run.model / "detector.json", before.model_dump())


def test_a_row_keeps_the_operating_point_that_an_export_ships():
    budget, shipped = Point(0.7, 1, 8, 0, 0.4), shipped_threshold.Shipped(Point(0.96, 3, 8, 0, 0.4))
    row = validation.stream_row(budget, shipped)
    assert row["miss_rate"] == 1 / 8
    assert (validation.point_of_row(row, "stream"), validation.shipped_of_row(row)) == (budget, shipped)
    assert validation.shipped_of_row(validation.stream_row(budget)) is None


def test_a_threshold_that_the_user_chose_stays_as_long_as_the_model_does(run: Run):
    name = models.checkpoint_of(run, "best")
    file = durable.read_document(detector_file.DetectorFile, run.model / "detector.json")
    chosen = detector_file.Threshold(source="evaluation", false_accepts_per_hour=0.1)
    changed = file.model_copy(update={"threshold": 0.875, "threshold_from": chosen})
    for digest, expected in ((file.checkpoint_sha256, 0.875), ("of another training", file.threshold)):
        kept = changed.model_copy(update={"checkpoint_sha256": digest})
        durable.replace_json(run.model / "detector.json", kept.model_dump())
        assert export.export(run, name, ignore).threshold == expected
    again = durable.read_document(detector_file.DetectorFile, run.model / "detector.json")
    assert again.checkpoint_sha256 == models.digest_of(run, name) != ""
    assert again.threshold_from == file.threshold_from


def test_a_threshold_chosen_while_a_model_is_exported_stays(run: Run, monkeypatch):
    """Measuring eight bits takes a while, in which the page takes clicks."""
    before = durable.read_document(detector_file.DetectorFile, run.model / "detector.json")
    chosen = detector_file.Threshold(source="evaluation", false_accepts_per_hour=0.1)
    compared = parity.compare

    def choose_meanwhile(*scores: np.ndarray) -> detector_file.Parity:
        clicked = before.model_copy(update={"threshold": 0.875, "threshold_from": chosen})
        durable.replace_json(run.model / "detector.json", clicked.model_dump())
        return compared(*scores)

    monkeypatch.setattr(parity, "compare", choose_meanwhile)
    assert export.export(run, before.checkpoint, ignore).threshold == 0.875
    after = durable.read_document(detector_file.DetectorFile, run.model / "detector.json")
    assert (after.threshold, after.threshold_from) == (0.875, chosen)
    durable.replace_json(run.model / "detector.json", before.model_dump())


def test_a_run_thrown_away_while_its_model_is_exported_can_come_back(run: Run, monkeypatch, capsys):
    """The command line exports without a job that the trash could see."""
    workspace, place, there = run.workspace, export.validation_windows, []

    def meanwhile(*given):
        there.append(trash.add(workspace, run))
        return place(*given)

    monkeypatch.setattr(export, "validation_windows", meanwhile)
    assert export.main([str(run.folder), models.best_checkpoint(run)]) == 2
    assert "was removed meanwhile" in capsys.readouterr().err
    assert trash.restore(workspace, there[0]) == run


def test_what_cannot_be_exported_or_heard_is_one_sentence(workspace, run: Run, tmp_path):
    empty = Run(workspace.runs / "20200101-000000-0000")
    empty.folder.mkdir()
    durable.replace_bytes(empty.config_file, config_file.dump(tiny_config()))
    done = call(workspace, "export", empty.id, str(tmp_path))
    assert done.returncode == 2 and done.stderr == f"Run {empty.id} has no best model yet: no epoch was finished.\n"
    for model, audio, sentence in (
        (empty.id, "a.wav", f"Run {empty.id} has no best model yet: no epoch was finished."),
        (str(tmp_path), "a.wav", "does not exist"),
    ):
        refused = CliRunner().invoke(app, ["--root", str(workspace.root), "detect", model, audio]).exception
        assert isinstance(refused, ValueError | FileNotFoundError) and sentence in str(refused)
    shutil.rmtree(empty.folder)


def test_an_export_that_fails_is_told_and_changes_nothing_of_the_run(run: Run, tmp_path, capsys):
    run.model.rename(tmp_path / "aside")
    run.model.write_text("in the way")
    engine.export_best(run)
    run.model.unlink()
    (tmp_path / "aside").rename(run.model)
    assert f"The best model could not be exported: File exists: {run.model}." in capsys.readouterr().out
    assert durable.read_document(Progress, run.progress_file).ended == "completed"


@pytest.mark.parametrize("ended", ["paused", "stopped"])
def test_a_run_that_was_told_to_end_does_not_take_time_to_export(tmp_path, ended: str):
    paused = Run(tmp_path / "20200101-000000-0000")
    paused.folder.mkdir()
    best = Best(epoch=1, val_loss=1.0, val_accuracy=0.5, checkpoint="epoch-00001.pt")
    told = Progress(attempt=1, beat=0.0, phase="ended", ended=ended, best=best)
    durable.replace_json(paused.progress_file, told.model_dump())
    engine.export_best(paused)
    assert [path.name for path in paused.folder.iterdir()] == ["progress.json"]
