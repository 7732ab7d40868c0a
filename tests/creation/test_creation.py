"""From a phrase to an evaluated, exported model: the stages, own recordings, interruptions, and the time it takes."""

import shutil

import numpy as np
import pytest

from tests.run_folders import end, make_run
from tests.tiny import ignore, tiny_config, write_wav
from trainer.audio import manifest
from trainer.config import config_file
from trainer.creation import creation, plan, stages
from trainer.creation.creation import Order
from trainer.dataset import changes
from trainer.detector import detector
from trainer.evaluation import evaluations
from trainer.run import runs
from trainer.synthesis import typed_words
from trainer.system.workspace import Workspace

FEW = {"positive": 24, "negative": 24, "hard_negative": 8, "background": 8, "rirs": 9}
ORDER = Order(phrase=" hey  atlas ")
WAVE = 0.1 * np.random.default_rng(0).standard_normal(24000)


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    """An empty workspace, in which a creation takes seconds."""
    monkeypatch.setattr(typed_words, "COUNTS", FEW)
    monkeypatch.setattr(plan, "config", lambda seed: tiny_config(seed=seed, epochs=2))
    monkeypatch.setattr(plan, "HOURS", 0.02)
    return Workspace(tmp_path)


def test_a_phrase_becomes_a_model(workspace):
    told = []
    made = stages.create(workspace, ORDER, lambda done, total, doing: told.append(doing))
    assert made.stage is None and list(made.took) == list(creation.STAGES) and made.order.phrase == "hey atlas"
    run = runs.by_id(workspace, made.run)
    assert runs.status(run).state == "completed" and runs.status(run).label == "hey atlas"
    assert [each.id for each in evaluations.all_of(run)] == [made.evaluation]
    assert detector.load(run.model).file.label == "hey atlas"
    assert config_file.load(run.config_file).training.seed == 0
    assert {clip.label for clip in manifest.read_split(workspace, "train")} >= {"positive", "hard_negative"}
    assert any("Training, epoch" in doing for doing in told) and any("Speaking" in doing for doing in told)
    shown = creation.progress(workspace)
    assert shown.state == "done" and "synthetic words" in " ".join(creation.sentences(shown))

    again = stages.create(workspace, ORDER, ignore)
    assert again == made and len(runs.all_runs(workspace)) == 1, "nothing is done twice"

    shutil.rmtree(evaluations.folder_of(run, made.evaluation).path)
    again = stages.create(workspace, ORDER, ignore)
    assert again.run == made.run and [each.id for each in evaluations.all_of(run)] == [again.evaluation]

    write_wav(workspace.raw / "positive" / "anna" / "0.wav", WAVE)
    other = stages._make_data(workspace, stages._begun(workspace, stages.checked(ORDER)), ignore)
    assert (other.recordings, other.before.recordings, other.run) == (1, 0, "") and other.id != made.id
    assert "positive/anna/0.wav" in {clip.path for part in manifest.read_splits(workspace).values() for clip in part}
    changed = creation.changed(other)
    assert len(changed) == 1 and changed[0].startswith("With 1 recording of yours. With 0 recordings it was: Hears")


def test_the_seed_is_that_of_clips_and_training(tmp_path):
    order = Order(phrase="hey atlas", seed=7)
    assert "--seed=7" in creation.arguments(order)
    assert plan.data(Workspace(tmp_path), order, ("espeak",)).recipe.seed == 7
    assert (plan.config(7).training.seed, plan.config(7).preset) == (7, "recommended")


def test_earlier_synthetic_clips_can_be_brought_back(workspace, monkeypatch):
    monkeypatch.setattr(stages, "_train", lambda *arguments: pytest.fail("the data set alone"))
    earlier = workspace.raw / "positive" / "demo-en" / "00001 hello moon.wav"
    own = workspace.raw / "negative" / "radio" / "0.wav"
    write_wav(earlier, WAVE)
    write_wav(own, WAVE)
    with pytest.raises(pytest.fail.Exception):
        stages.create(workspace, ORDER, ignore)
    assert not earlier.exists() and own.exists()
    assert len(list((workspace.raw / "positive").rglob("*hey atlas.wav"))) == FEW["positive"]
    change = next(change for change in changes.recent(workspace) if change.title == "Clips for hey atlas")
    changes.undo(workspace, change.id)
    assert earlier.exists() and own.exists() and not list((workspace.raw / "positive").rglob("*hey atlas.wav"))


def test_an_interruption_pauses_the_training_and_the_next_order_continues_it(workspace, monkeypatch):
    monkeypatch.setattr(plan, "config", lambda seed: tiny_config(seed=seed, epochs=400))

    def interrupted(done: int, total: int, doing: str) -> None:
        if doing.startswith("Training"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.create(workspace, ORDER, interrupted)
    half = creation.read(workspace)
    run = runs.by_id(workspace, half.run)
    assert half.stage == "training" and list(half.took) == ["data"]
    assert runs.status(run).state in ("pausing", "paused")
    clips = sorted((workspace.raw / "positive").rglob("*.wav"))

    with pytest.raises(KeyboardInterrupt):
        stages.create(workspace, ORDER, interrupted)
    assert creation.read(workspace).run == run.id and len(runs.all_runs(workspace)) == 1
    assert sorted((workspace.raw / "positive").rglob("*.wav")) == clips, "the data set is not made again"


def test_a_run_that_was_started_before_the_job_died_is_found_again(workspace):
    with pytest.raises(KeyboardInterrupt):
        stages.create(workspace, ORDER, _die_while("Starting the training"))
    half = creation.read(workspace)
    forgotten = half.model_copy(update={"run": ""})
    stages._written(workspace, forgotten)
    assert stages._started(workspace, forgotten).id == half.run


def _die_while(place):
    def report(done: int, total: int, doing: str) -> None:
        if doing.startswith((place, "Preparing", "Training")):
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (Order(phrase=" "), "The phrase is empty"),
        (Order(phrase="hallo", language="xx"), "xx"),
        (Order(phrase="hallo", pronunciations=("§",)), "§"),
    ],
)
def test_a_bad_order_changes_nothing(workspace, order, message):
    with pytest.raises(ValueError, match=message):
        stages.create(workspace, order, ignore)
    assert not list(workspace.root.iterdir())


def test_fewer_minutes_make_fewer_clips(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "SECONDS_PER_CLIP", 1.0)
    workspace = Workspace(tmp_path)
    usual, few = (plan.data(workspace, Order(phrase="hey atlas", minutes=minutes), ("espeak",)) for minutes in (60, 1))
    assert usual.recipe.counts == dict(typed_words.COUNTS) and usual.seconds > few.seconds
    fewest = usual.recipe.counts["positive"] * plan.LEAST_SCALE
    assert fewest <= few.recipe.counts["positive"] < usual.recipe.counts["positive"]
    assert plan.data(workspace, Order(phrase="hallo", language="de"), ("espeak",)).recipe.hours == 0


def test_the_share_of_a_stage_only_grows():
    told = []
    report = stages._of_phases({"Speaking": 60.0, "Generating": 20.0, "Reading": 20.0}, lambda *step: told.append(step))
    report(0, 0, "Choosing texts")
    report(5, 10, "Speaking hey atlas")
    report(1, 2, "Generating rooms")
    report(0, 0, "Looking for files")
    report(20, 20, "Reading clips")
    report(0, 0, "Splitting")
    assert [(done, total) for done, total, _ in told] == [(share, 1000) for share in (0, 300, 700, 700, 1000, 1000)]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("failed", "The training ended early: No space left."),
        ("paused", "The training is paused. Continue to resume it."),
        ("stopped", "The training ended early: Stopped."),
    ],
)
def test_a_run_that_ends_without_a_model_says_why(tmp_path, state, message):
    run = make_run(Workspace(tmp_path), epochs=0)
    end(run, state, {"failed": "No space left.", "stopped": "Stopped."}.get(state, ""))
    with pytest.raises(ValueError, match=message):
        stages._wait(run, ignore)


def test_a_stopped_run_with_a_model_is_good_enough_and_a_deleted_one_is_told(tmp_path):
    run = make_run(Workspace(tmp_path), epochs=3)
    end(run, "stopped", "Stopped.")
    stages._wait(run, ignore)
    shutil.rmtree(run.folder)
    with pytest.raises(ValueError, match="The run was deleted"):
        stages._wait(run, ignore)


def test_a_newer_recipe_or_preset_makes_the_same_order_anew(tmp_path, monkeypatch):
    workspace, order, names = Workspace(tmp_path), Order(phrase="hey atlas"), ("espeak-ng",)

    def digest() -> str:
        return creation.digest(workspace, order, names, plan.made_by(order, names))

    first = digest()
    assert digest() == first
    with monkeypatch.context() as newer:
        newer.setattr(typed_words, "COUNTS", dict(typed_words.COUNTS) | {"positive": 1000})
        assert digest() != first
    monkeypatch.setattr(plan, "PRESET", "log_mel")
    assert digest() != first
