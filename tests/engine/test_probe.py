"""The probe: one document about one configuration on one split, or one sentence why there is none."""

import json
import signal
import subprocess

import pytest

from tests.cli.test_command_line import answer, call, refused
from tests.tiny import ignore, make_workspace, tiny_config
from tests.waiting import wait_for, wait_for_job
from trainer.audio import manifest
from trainer.config import config_file, saved_configs
from trainer.config.schema import Config
from trainer.run import probe
from trainer.system import durable, job, processes
from trainer.system.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    made = make_workspace(tmp_path_factory.mktemp("workspace"))
    saved_configs.save(made, "tiny", mining())
    return made


def mining(**training: object) -> Config:
    document = tiny_config(**training).model_dump() | {"data": {"mined_share": 0.2, "mining_epochs": 1}}
    return config_file.build({name: group for name, group in document.items() if group})


@pytest.fixture(scope="module")
def document(workspace):
    return answer(workspace, "probe", "tiny")


def test_the_pieces_add_up(workspace, document):
    found = probe.Measured.model_validate(document)
    assert found.batches == 4 and found.epochs == 2 and found.device
    pieces = [found.prepare_seconds, found.first_batch_seconds, found.batch_seconds, found.validation_seconds,
              found.checkpoint_seconds, found.mining_seconds]  # fmt: skip
    assert all(0 < seconds < 60 for seconds in pieces)
    least = 3 * found.batch_seconds + found.validation_seconds + found.checkpoint_seconds
    assert least < found.epoch_seconds < least + 2 * found.batch_seconds + 1
    assert found.total_seconds >= found.prepare_seconds + 2 * found.epoch_seconds + found.mining_seconds - 1e-6 - (
        found.batch_seconds
    )
    assert 1e8 < found.peak_memory_bytes < 1e11
    assert "An epoch takes about " in probe.sentence(found)


def test_it_is_kept_for_this_configuration_on_this_split(workspace, document):
    found = probe.of(workspace, mining())
    assert found and found.model_dump() == document == probe.read(workspace).model_dump()
    assert found.config == probe.digest(mining()) and found.split_fingerprint == manifest.fingerprint(workspace)
    assert probe.of(workspace, mining(epochs=3)) is None
    assert probe.digest(config_file.preset("quick")) == probe.digest(
        config_file.preset("quick").model_copy(update={"preset": ""})
    )


def test_a_result_outlives_the_measurement_of_another_configuration(workspace, document):
    kept = probe.kept_file(workspace, probe.digest(mining()))
    assert durable.read_json(kept) == document
    last = probe.result_file(workspace).read_bytes()
    probe.result_file(workspace).write_text("{}")
    assert probe.of(workspace, mining()).epoch_seconds == document["epoch_seconds"]
    probe.result_file(workspace).write_bytes(last)


def test_nothing_but_the_result_and_the_cache_is_left(workspace, document):
    assert not workspace.runs.exists()
    assert sorted(path.name for path in workspace.jobs.iterdir()) == ["probe.lock", "probe.result.json"]
    assert len([path for path in workspace.cache.iterdir() if "partial" not in path.name]) == 1


def test_as_a_job_it_says_what_it_found(workspace, document):
    assert call(workspace, "probe", "tiny", "--job").returncode == 0
    found = job.read(workspace, "probe")
    assert found and found.state == "done" and found.message.startswith("An epoch takes about ")


def test_another_split_is_another_probe(workspace, document, monkeypatch):
    monkeypatch.setattr(manifest, "fingerprint", lambda workspace: "0" * 16)
    assert probe.of(workspace, mining()) is None


def test_a_damaged_result_is_none(tmp_path):
    workspace = Workspace(tmp_path)
    assert probe.read(workspace) is None and probe.of(workspace, mining()) is None
    workspace.jobs.mkdir(parents=True)
    probe.result_file(workspace).write_text('{"epoch_seconds": 1}')
    assert probe.read(workspace) is None


def test_what_stands_against_it_is_one_line(tmp_path):
    workspace = Workspace(tmp_path)
    assert refused(workspace, "probe", "quick") == manifest.NOT_FOUND
    assert "There is no configuration 'nothing'" in refused(workspace, "probe", "nothing")
    (tmp_path / "bad.yaml").write_text("training: {epochs: 0}")
    assert "training.epochs: must be at least 1; 0 given." in refused(workspace, "probe", str(tmp_path / "bad.yaml"))


def test_what_only_the_engine_can_tell_is_one_line_too(workspace, document):
    path = saved_configs.save(workspace, "gpu", mining(device="cuda"))
    done = call(workspace, "probe", "gpu")
    if done.returncode == 0:
        pytest.skip("there is a GPU here")
    assert done.stderr.strip() == "training.device is cuda, but no GPU was found. Choose auto or cpu."
    assert probe.of(workspace, mining()), "the earlier result stays"
    waiting = config_file.build({"training": {"start_from": "latest"}})
    durable.replace_bytes(path, config_file.dump(waiting))
    with pytest.raises(ValueError, match="finds no run that has ended with a model"):
        probe.measure(workspace, path, ignore)


def test_a_killed_probe_is_told_with_what_to_do():
    done = subprocess.CompletedProcess([], -signal.SIGKILL, None, "")
    assert probe._refusal(done) == ("The probe was ended by SIGKILL. If memory is short, lower training.batch_size.")
    done = subprocess.CompletedProcess([], 1, None, "Traceback\nRuntimeError: odd")
    assert probe._refusal(done) == "The probe failed: RuntimeError: odd"


def test_it_tells_what_it_does(workspace):
    told = list[str]()
    probe.measure(workspace, workspace.configs / "tiny.yaml", lambda done, total, doing: told.append(doing))
    assert "Training for some seconds" in told


def test_a_cancelled_probe_ends_with_its_engine(workspace, document):
    job.start(workspace, "probe", ["tiny"])
    partial = workspace.jobs / "probe.result.json.partial"
    wait_for(partial.exists)
    job.cancel(workspace, "probe")
    assert wait_for_job(workspace, "probe", lambda found: found.state != "running").state == "cancelled"
    with processes.exclusive_lock(workspace.jobs / "probe.lock"):
        assert json.loads(probe.result_file(workspace).read_bytes())["epochs"] == 2
