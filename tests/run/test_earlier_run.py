"""Which run a training goes on from, and what stands against it."""

import pytest

from tests import run_folders
from tests.cli.test_command_line import refused
from tests.run_folders import slow_start
from tests.tiny import make_workspace, tiny_config
from trainer.config import config_file, saved_configs
from trainer.config.schema import LATEST, Config
from trainer.engine.training import loop
from trainer.run import earlier_run, launch, models
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

GONE = "20250101-000000-0000"


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def run_with_model(workspace: Workspace, number: int = 1, config: Config | None = None) -> Run:
    run = run_folders.make_run(workspace, number)
    durable.replace_bytes(run.config_file, config_file.dump(config or tiny_config()))
    run.checkpoints.mkdir()
    (run.checkpoints / "epoch-00001.pt").write_bytes(b"weights")
    best = Best(epoch=1, val_loss=0.1, val_accuracy=1.0, checkpoint="epoch-00001.pt")
    durable.replace_json(run.checkpoints / "best.json", best.model_dump())
    run_folders.end(run, "completed", "All 3 epochs done.")
    return run


def wanting(text: str, **changes: dict) -> Config:
    document = tiny_config(start_from=text).model_dump()
    return config_file.build({name: group | changes.get(name, {}) for name, group in document.items() if group})


def test_nothing_asked_is_nothing_to_check(workspace):
    assert earlier_run.problem(workspace, tiny_config()) is None
    assert earlier_run.resolved(workspace, tiny_config()) == tiny_config()


def test_latest_is_the_newest_that_has_a_model_and_has_ended(workspace):
    run = run_with_model(workspace, 1)
    run_folders.end(run_folders.make_run(workspace, 2), "stopped", "Stopped before an epoch was done.")
    pruned = run_with_model(workspace, 3)
    (pruned.checkpoints / "epoch-00001.pt").unlink()
    active = run_with_model(workspace, 4)
    active.outcome_file.unlink()
    run_folders.make_alive(active)
    found = earlier_run.find(workspace, wanting(LATEST))
    assert found and found.run == run
    assert earlier_run.resolved(workspace, wanting(LATEST)) == wanting(run.id)
    assert "is running, so its best model may still change" in earlier_run.problem(workspace, wanting(active.id))


def test_without_any_model_each_way_to_ask_gets_its_sentence(workspace):
    run = run_folders.make_run(workspace, 2)
    run_folders.end(run, "stopped", "Stopped before an epoch was done.")
    told = {
        LATEST: "training.start_from: `latest` finds no run that has ended with a model; train one first",
        GONE: f"training.start_from: there is no run {GONE}; give the id of another",
        run.id: f"training.start_from: run {run.id} has no best model; give the id of a run that",
    }
    for text, sentence in told.items():
        assert earlier_run.problem(workspace, wanting(text)).startswith(sentence)


def test_a_checkpoint_that_is_not_kept_is_told_with_those_that_are(workspace):
    run = run_with_model(workspace)
    told = f"training.start_from: run {run.id} keeps no checkpoint; give the id of another run."
    assert earlier_run.problem(workspace, wanting(f"{run.id}/epoch-00007")) == told
    for epoch in (1, 3):
        durable.replace_json(run.checkpoints / f"epoch-0000{epoch}.pt.json", {})
    sentence = earlier_run.problem(workspace, wanting(f"{run.id}/epoch-00007"))
    told = f"training.start_from: run {run.id} does not keep epoch-00007; name one of epoch-00001, epoch-00003, or "
    assert sentence.startswith(told)
    assert earlier_run.name_of(run, "epoch-00001.pt") == run.id, "the best one"
    assert (named := earlier_run.name_of(run, "epoch-00003.pt")) == f"{run.id}/epoch-00003"
    assert earlier_run.resolved(workspace, wanting(named)) == wanting(named)
    assert str(earlier_run.find(workspace, wanting(named))) == f"epoch-00003 of run {run.id}"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": {"name": "resnet18"}}, "model.name tc_resnet, and here it is resnet18; set model.name to tc_resnet"),
        ({"model": {"width": 1.5}}, "model.width 0.25, and here it is 1.5; set model.width to 0.25"),
        ({"features": {"hop_ms": 12}}, "features.hop_ms 10, and here it is 12; set features.hop_ms to 10"),
        ({"data": {"window_seconds": 2.0}}, "data.window_seconds 1.5, and here it is 2; set data.window_seconds"),
        ({"data": {"window_seconds": 2.0}, "model": {"width": 1.0}}, "or choose another run (1 more option differs)."),
    ],
)
def test_a_model_that_does_not_fit_names_the_option_there_and_here(workspace, changes: dict, told: str):
    run = run_with_model(workspace)
    sentence = earlier_run.problem(workspace, wanting(run.id, **changes))
    assert sentence.startswith(f"training.start_from: run {run.id} was trained with ") and told in sentence
    assert sentence.count(".") == sentence.rstrip(".").count(".") + 1, "one sentence"


def test_what_does_not_shape_the_model_may_differ(workspace):
    run = run_with_model(workspace)
    changes = {"model": {"dropout": 0.4}, "data": {"positive_share": 0.4}, "optimizer": {"learning_rate": 0.1}}
    assert earlier_run.problem(workspace, wanting(run.id, **changes)) is None


def test_a_run_whose_configuration_is_damaged_is_told(workspace):
    run = run_with_model(workspace)
    run.config_file.write_text("model: {width: [}")
    assert f"the configuration of run {run.id} cannot be read" in earlier_run.problem(workspace, wanting(run.id))


def test_a_start_writes_the_id_and_one_form_stays_one_run(tmp_path, monkeypatch):
    workspace = make_workspace(tmp_path)
    earlier = run_with_model(workspace)
    monkeypatch.setattr(launch.processes, "start_detached", slow_start([]))
    first = launch.start(workspace, wanting(LATEST), "tiny", token="form-1")
    assert config_file.load(first.run.config_file).training.start_from == earlier.id
    assert launch.start(workspace, wanting(LATEST), "tiny", token="form-2") == launch.Started(first.run, already=True)
    by_id = launch.start(workspace, wanting(earlier.id), "tiny", token="form-3")
    assert by_id.already, "`latest` and the id that it means are the same form"


def test_the_command_line_refuses_in_one_line(tmp_path):
    workspace = make_workspace(tmp_path)
    saved_configs.save(workspace, "tiny", wanting(LATEST))
    assert "`latest` finds no run that has ended with a model" in refused(workspace, "train", "tiny")
    saved_configs.save(workspace, "tiny", wanting(GONE))
    assert f"there is no run {GONE}" in refused(workspace, "train", "tiny")
    assert [path for path in workspace.runs.iterdir() if path.is_dir()] == [], "nothing was started"


def trained(workspace: Workspace, number: int, config: Config) -> loop.Session:
    run = run_folders.make_run(workspace, number)
    durable.replace_bytes(run.config_file, config_file.dump(config))
    return loop.prepare(workspace, run, 1, lambda: None)


def test_the_first_weights_are_those_of_the_earlier_best_and_that_run_is_only_read(tmp_path, capsys):
    workspace = make_workspace(tmp_path)
    parts = trained(workspace, 1, tiny_config(epochs=2))
    loop.train(parts)
    run_folders.end(parts.run, "completed", "All 2 epochs done.")
    before = {path: path.read_bytes() for path in parts.run.folder.rglob("*") if path.is_file()}
    best = durable.read_document(Best, parts.run.checkpoints / "best.json")
    saved = loop.checkpoints.load(parts.run.checkpoints, best.checkpoint)["model"]
    again = trained(workspace, 2, wanting(parts.run.id))
    state = again.model.state_dict()
    assert state.keys() == saved.keys() and all(bool((state[name] == saved[name]).all()) for name in saved)
    assert f"Starting from the best model of run {parts.run.id}, that of epoch {best.epoch}." in capsys.readouterr().out
    other = next(name for name in models.checkpoints(parts.run) if name != best.checkpoint)
    saved = loop.checkpoints.load(parts.run.checkpoints, other)["model"]
    state = trained(workspace, 3, wanting(earlier_run.name_of(parts.run, other))).model.state_dict()
    assert all(bool((state[name] == saved[name]).all()) for name in saved)
    assert f"Starting from {other.removesuffix('.pt')} of run {parts.run.id}." in capsys.readouterr().out
    loop.train(again)
    assert before == {path: path.read_bytes() for path in parts.run.folder.rglob("*") if path.is_file()}
