"""Threshold, miss rate and false accepts of a run are the same numbers with the same names wherever they are told."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from pages.ui.shared.frame import plain
from tests import tone_model
from tests.cli.test_command_line import answer as command
from tests.pages.tools import checked, draw, field, press
from tests.run_folders import end, epoch_row, make_run, stream_row, write_progress
from tests.tiny import ignore, make_workspace
from trainer.__main__ import app as command_line
from trainer.detector.detector_file import INT8_MODEL, MODEL, NAME, DetectorFile, Int8, Rates, Threshold
from trainer.detector.stream_scores import Point
from trainer.evaluation import evaluations, headline, operating_point, point_text
from trainer.evaluation.operating_point import OperatingPoint
from trainer.run import archive, metrics, models, runs
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.streams import recordings
from trainer.system import durable
from trainer.system.workspace import Workspace

NAMES = ("Threshold", "Miss rate", "False accepts per hour")
PLACES = (
    ("Training", ""), ("Runs", "Facts"), ("Evaluation", "Streams"), ("Evaluation", "Clips"), ("Evaluation", "Listen"),
    ("Evaluation", "Model"), ("Evaluation", "Compare"),
)  # fmt: skip
SOME = PLACES[:3]
"""Where one measurement is told in the same way, the sections of a page are drawn by one line."""
FROM_STREAM = Threshold(
    source="validation_stream", false_accepts_per_hour=1.0, miss_rate=0.25, words=8, false_accepts=1, hours=1.25
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run that was evaluated: made once, copied for each test."""
    workspace = make_workspace(tmp_path_factory.mktemp("made"), hard_negatives=8)
    run = make_run(workspace, 1, "Kitchen", epochs=3)
    end(run, "completed", "All done.")
    tone_model.evaluated(workspace, run)
    return workspace


@pytest.fixture
def measured(made, tmp_path, monkeypatch):
    root = tmp_path / "measured"
    shutil.copytree(made.root, root, copy_function=shutil.copy2)
    monkeypatch.setenv("WAKEWORD_ROOT", str(root))
    return Workspace(root)


def detector_of(run: Run) -> DetectorFile:
    return durable.read_document(DetectorFile, run.model / NAME)


def change(run: Run, **values: object) -> None:
    """Change the detector.json of a run's model, to what JSON does not have too."""
    (run.model / NAME).write_text(json.dumps(detector_of(run).model_copy(update=values).model_dump()))


def write_model(folder, steepness: float, **values: object) -> None:
    """Another model than that of the fixture."""
    data = tone_model.model_bytes(steepness)
    tone_model.write(folder, files={MODEL: hashlib.sha256(data).hexdigest()}, **values)
    (folder / MODEL).write_bytes(data)


def evaluate(workspace: Workspace, run: Run, *options: str) -> dict:
    """Evaluate in a process of its own, as the page does; the JSON of the command."""
    return command(workspace, "evaluate", run.id, *options)


def answer(workspace: Workspace, *arguments: str):
    """What the command line says in JSON."""
    done = CliRunner().invoke(command_line, ["--root", str(workspace.root), "--json", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def shown(page: str, section: str, run: Run) -> tuple[list[str], list[str]]:
    """The values of the three metrics on a page, with what stands below them, and its sentences."""
    app = draw(page, run.id, section)
    found = [metric for metric in app.metric if metric.label in NAMES]
    assert [metric.label for metric in found] == list(NAMES), (page, section, [each.label for each in app.metric])
    sentences = [each.value for each in (*app.caption, *app.markdown)]
    return [f"{metric.value} {metric.delta}".strip() for metric in found], sentences


def told(point: OperatingPoint | None) -> list[str]:
    accepts = point_text.in_hours(point.false_accepts, point.hours) if point else ""
    values = (point_text.threshold(point), f"{point_text.miss_rate(point)} {point_text.bounds(point)}")
    return [each.strip() for each in (*values, f"{point_text.false_accepts_per_hour(point)} {accepts}")]


def assert_one_set(
    workspace: Workspace, run: Run, places: tuple[tuple[str, str], ...] = PLACES, exported: bool = True
) -> OperatingPoint:
    """Collect the numbers of a run from these pages and from the command line: they are all those of one value."""
    point = operating_point.of_run(runs.status(run))
    document, first = point.model_dump(mode="json"), headline.of(point)
    documents = {"operating_point": document, "headline": first and first.model_dump()}
    assert answer(workspace, "status", run.id).items() >= documents.items()
    listed = next(each for each in answer(workspace, "runs") if each["run"] == run.id)
    assert listed.items() >= documents.items()
    for name in ("threshold", "miss_rate", "false_accepts_per_hour", "hours", "evaluation"):
        assert listed[name] == document[name]
    assert (listed["measured_on"] or None) == document["measured_on"]
    if exported:
        about = answer(workspace, "export", run.id)
        assert about.items() >= documents.items()
        assert about["threshold"] == point.threshold == detector_of(run).threshold
    for page, section in places:
        values, sentences = shown(page, section, run)
        assert values == told(point), (page, section)
        assert plain(" ".join(point_text.sentences(point))) in sentences, (page, section)
        assert [f"**{plain(first.text)}**" in each for each in sentences].count(True) == 1 if first else True
    text = (point_text.false_accepts_per_hour(point), point_text.measured_on(point))
    for page in ("Runs", "Wakeword Studio"):
        rows = draw(page).dataframe[0].value
        row = rows[rows["Name"] == runs.status(run).label].iloc[0]
        assert (row["False accepts per hour"], row["Measured on"]) == text
        rate = row["Miss rate"]
        assert (
            rate if isinstance(rate, str) else point_text.percent(None if rate is None else rate / 100)
        ) == point_text.miss_rate(point)
    return point


def first(workspace: Workspace) -> Run:
    return runs.all_runs(workspace)[-1]


def test_of_an_evaluated_run_every_place_tells_the_evaluation_at_the_threshold_of_its_model(measured):
    run = first(measured)
    (evaluation,) = evaluations.all_of(run)
    point = assert_one_set(measured, run)
    assert (point.measured_on, point.evaluation, point.threshold) == ("evaluation", evaluation.id, 0.5)
    assert (point.words, point.hours, point.epoch) == (evaluation.words, evaluation.hours, 3)
    assert sum(each.words for each in point.conditions) == point.words
    assert sum(each.misses for each in point.conditions) == point.misses
    assert point.bound_per_hour > point.false_accepts_per_hour == point.false_accepts / point.hours
    (row,) = (
        frame.value for frame in draw("Runs", run.id, "Evaluations").dataframe if frame.proto.alt == "Evaluations"
    )
    assert (row["Threshold"][0], row["Miss rate"][0]) == (0.5, 100 * point.miss_rate)


def test_a_threshold_that_is_chosen_by_a_budget_changes_all_places_at_once(measured):
    run = first(measured)
    before = operating_point.of_run(runs.status(run))
    app = draw("Evaluation", run.id)
    field(app, "number_input", "False accepts, at most").set_value(5)
    field(app, "number_input", "in hours").set_value(0.1)
    app = press(checked(app.run()), "Use this estimate")
    values = [f"{metric.value} {metric.delta}".strip() for metric in app.metric if metric.label in NAMES]
    point = assert_one_set(measured, run)
    assert values == told(point) and point.threshold != before.threshold
    assert (point.threshold_from, point.same_streams, point.evaluation) == ("evaluation", True, before.evaluation)
    assert point.false_accepts != before.false_accepts and point.false_accepts_per_hour <= 50
    shutil.rmtree(evaluations.folder_of(run, point.evaluation).path)
    gone = assert_one_set(measured, run, SOME)
    same = ("threshold", "miss_rate", "false_accepts", "hours", "evaluation", "measured_on")
    assert [getattr(gone, name) for name in same] == [getattr(point, name) for name in same]


def test_a_newer_evaluation_is_what_every_place_tells(measured):
    run = first(measured)
    (old,) = evaluations.all_of(run)
    shutil.rmtree(measured.root / recordings.DEFAULT)
    document = evaluate(measured, run)
    point = assert_one_set(measured, run)
    assert document["operating_point"] == point.model_dump(mode="json")
    assert (point.evaluation, point.hours) == (document["id"], document["hours"]) and point.hours < old.hours


def test_an_evaluation_of_another_checkpoint_is_not_told_as_the_run_s(measured):
    run = first(measured)
    (own,) = evaluations.all_of(run)
    write_model(run.folder / "models/epoch-00002", 900.0, checkpoint="epoch-00002.pt", epoch=2, threshold=0.2)
    other = evaluate(measured, run, "--checkpoint", "epoch-00002")
    assert evaluations.all_of(run)[0].id == other["id"] and other["operating_point"]["epoch"] == 2
    point = assert_one_set(measured, run)
    assert (point.evaluation, point.epoch) == (own.id, 3)
    assert any("This evaluation uses epoch 2" in caption.value for caption in draw("Evaluation", run.id).caption)
    about = answer(measured, "export", run.id, "--checkpoint", "epoch-00002")
    assert (about["operating_point"]["evaluation"], about["operating_point"]["epoch"]) == (other["id"], 2)
    assert about["threshold"] == 0.2 and about["operating_point"]["miss_rate"] > point.miss_rate


def extended(run: Run) -> None:
    """A later epoch becomes the best one; its model is not exported yet."""
    best = Best(epoch=4, val_loss=0.1, val_accuracy=1.0, checkpoint="epoch-00004.pt")
    durable.replace_json(run.checkpoints / "best.json", best.model_dump())
    durable.replace_json(run.checkpoints / "epoch-00004.pt.json", {"sha256": "4" * 64})


def test_when_another_epoch_becomes_the_best_its_model_brings_its_own_numbers(measured):
    run = first(measured)
    app = draw("Evaluation", run.id)
    press(app, "Use this estimate")
    chosen = operating_point.of_run(runs.status(run))
    assert chosen.threshold_from == "evaluation"
    extended(run)
    assert assert_one_set(measured, run, exported=False) == chosen, "until its model is exported"
    clips = draw("Evaluation", run.id, "Clips")
    assert clips.slider[0].value == pytest.approx(chosen.threshold), "the model that was heard lies there still"
    sha = {"checkpoint_sha256": "4" * 64}
    write_model(
        run.model, 900.0, checkpoint="epoch-00004.pt", epoch=4, threshold=0.4, threshold_from=FROM_STREAM, **sha
    )
    point = assert_one_set(measured, run)
    assert (point.threshold, point.threshold_from, point.measured_on) == (0.4, "validation_stream", "validation_stream")
    assert (point.miss_rate, point.misses, point.false_accepts, point.hours) == (0.25, 2, 1, 1.25)
    app = draw("Evaluation", run.id)
    assert field(app, "button", "Use this estimate").disabled
    assert any("is no longer exported" in caption.value for caption in app.caption)


def test_eight_bits_have_a_threshold_of_their_own_and_the_run_keeps_its_numbers(measured):
    run = first(measured)
    change(run, threshold=0.4, threshold_from=FROM_STREAM)
    before = operating_point.of_run(runs.status(run))
    rates = Rates(accuracy=1.0, fpr=0.0, fnr=0.0)
    stream = Point(0.61, 2, 8, 1, 1.25)
    shutil.copy(run.model / MODEL, run.model / INT8_MODEL)
    files = detector_of(run).files
    cost = Int8(
        largest_difference=0.01, mean_difference=0.001, float32=rates, int8=rates, bytes=1, float32_bytes=2,
        float32_stream=stream, int8_stream=stream,
    )  # fmt: skip
    change(run, int8=cost, files=files | {INT8_MODEL: files[MODEL]})
    assert assert_one_set(measured, run) == before
    table = next(frame.value for frame in draw("Evaluation", run.id, "Model").dataframe if "Contents" in frame.value)
    contents = dict(zip(table["File"], table["Contents"], strict=True))
    assert contents[INT8_MODEL].endswith(" Threshold: 0.6100.") and "Threshold:" not in contents[MODEL]


def heard_row(epoch: int, **values: object) -> dict:
    return stream_row(epoch) | {"stream_threshold": 0.7, "stream_misses": 10} | values


@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_a_run_without_a_model_tells_the_validation_stream(measured, state):
    run = make_run(measured, 2, "Hall", epochs=3)
    end(run, state, "It ended.")
    rows = [epoch_row(epoch) for epoch in (1, 2, 3)]
    metrics.append(run.metrics_file, {"kind": "epoch", **heard_row(2, miss_rate=0.125, stream_misses=29)})
    best = Best(epoch=2, val_loss=0.1, val_accuracy=1.0, checkpoint="epoch-00002.pt", miss_rate=0.125)
    write_progress(run, rows, best=best, last_stream=heard_row(3))
    point = assert_one_set(measured, run, exported=False)
    assert (point.epoch, point.miss_rate, point.threshold, point.checkpoint) == (2, 0.125, 0.7, "")
    write_progress(run, rows, best=best.model_copy(update={"miss_rate": None}), last_stream=heard_row(3))
    point = assert_one_set(measured, run, SOME, exported=False)
    assert (point.epoch, point.miss_rate) == (3, 0.0433), "the best epoch was not heard"


def test_a_run_that_measured_nothing_says_so_everywhere(measured):
    run = make_run(measured, 2, "Hall", epochs=3, last_stream=None)
    end(run, "stopped", "It ended.")
    assert answer(measured, "status", run.id)["operating_point"] is None
    for page, section in PLACES:
        values, captions = shown(page, section, run)
        assert values == ["–", "–", "–"] and any("Not measured yet" in caption for caption in captions)


def test_a_run_that_was_unpacked_elsewhere_has_the_same_numbers(measured, tmp_path, monkeypatch):
    run = first(measured)
    press(draw("Evaluation", run.id), "Use this estimate")
    before = operating_point.of_run(runs.status(run))
    packed = archive.pack(run, tmp_path / "run.zip", ignore)
    elsewhere = Workspace(tmp_path / "elsewhere")
    elsewhere.root.mkdir()
    monkeypatch.setenv("WAKEWORD_ROOT", str(elsewhere.root))
    taken = archive.unpack(elsewhere, io.BytesIO(packed.read_bytes()), ignore)
    assert assert_one_set(elsewhere, taken.run, SOME) == before


def test_recordings_without_the_word_do_not_take_the_miss_rate_away(measured):
    run = first(measured)
    before = operating_point.of_run(runs.status(run))
    only = evaluate(measured, run, "--no-composed")
    assert only["words"] == 0 and evaluations.all_of(run)[0].id == only["id"]
    assert assert_one_set(measured, run, SOME) == before
    shutil.rmtree(evaluations.folder_of(run, before.evaluation).path)
    point = assert_one_set(measured, run, SOME)
    assert (point.evaluation, point.miss_rate, point.words) == (only["id"], None, 0)
    assert point.hours == only["hours"]


def test_an_evaluation_that_is_damaged_is_not_told(measured):
    run = first(measured)
    (old,) = evaluations.all_of(run)
    new = evaluate(measured, run)
    evaluations.folder_of(run, new["id"]).tracks_file.write_bytes(b"half")
    assert assert_one_set(measured, run, SOME).evaluation == old.id


def test_a_model_that_is_heard_otherwise_than_it_was_evaluated_has_no_evaluation(measured):
    run = first(measured)
    change(run, smoothing_seconds=0.9, threshold_from=FROM_STREAM)
    point = assert_one_set(measured, run, SOME)
    assert (point.measured_on, point.evaluation) == ("validation_stream", "")


WILD: dict[str, Callable[[Run], None]] = {
    "threshold": lambda run: change(run, threshold=float("nan")),
    "hours": lambda run: change(run, threshold_from=FROM_STREAM.model_copy(update={"hours": 1e-320, "words": 10**400})),
    "rate": lambda run: change(run, threshold_from=FROM_STREAM.model_copy(update={"miss_rate": float("nan")})),
}


@pytest.mark.parametrize("name", WILD)
def test_wild_numbers_of_a_stranger_s_model_are_none(measured, name):
    run = first(measured)
    shutil.rmtree(run.folder / "evaluation")
    WILD[name](run)
    status, listed = answer(measured, "status", run.id), answer(measured, "runs")[0]
    assert status["operating_point"] == listed["operating_point"]
    json.dumps(status, allow_nan=False)
    draw("Training", run.id)


def test_the_model_of_an_evaluation_is_found_wherever_it_lies(measured):
    run = first(measured)
    (evaluation,) = evaluations.all_of(run)
    extended(run)
    folder, file = models.model_with(run, evaluation.model_sha256)
    assert (folder, file.epoch) == (run.model, 3)
    assert models.model_with(run, "0" * 64) is None
