"""The command `create`: what it answers while it works, when it is paused, and to bad input."""

import json
import shutil

from tests.cli.test_command_line import answer, call, refused
from tests.run_folders import end, make_run
from trainer.creation import creation
from trainer.creation.creation import Creation, Order
from trainer.creation.stages import _written
from trainer.system.workspace import Workspace


def test_bad_input_is_one_line(tmp_path):
    workspace = Workspace(tmp_path)
    assert "Nothing was created yet" in refused(workspace, "create")
    assert "0 minutes are out of range; choose 1 to 240." in refused(workspace, "create", "hey atlas", "--minutes", "0")
    assert "not supported" in refused(workspace, "create", "hey atlas", "--language", "xx")
    assert "cannot be spoken" in refused(workspace, "create", "hey §")
    assert not list(tmp_path.iterdir())


def test_an_order_is_followed_paused_and_continued(tmp_path):
    workspace = Workspace(tmp_path)
    try:
        begun = answer(workspace, "create", "hey atlas")
        assert (begun["phrase"], begun["state"], begun["stage"], begun["run"]) == ("hey atlas", "running", "data", None)
        assert begun["seconds_left"] > 0 and begun["voices"] == ["espeak"]
        assert "“hey atlas” is being created" in refused(workspace, "create", "hey moon")
        assert answer(workspace, "create", "hey  atlas")["state"] == "running", "the same order is not begun twice"
    finally:
        paused = answer(workspace, "create", "--pause")
    assert paused["state"] == "paused" and "What was made is kept" in paused["message"]
    assert "Create it again to continue." in call(workspace, "create").stdout


def test_a_short_phrase_is_told_before_it_costs_time(tmp_path):
    done = call(Workspace(tmp_path), "create", "jo", "--json")
    call(Workspace(tmp_path), "create", "--pause")
    assert "“jo” has 2 sounds" in done.stderr and json.loads(done.stdout)["phrase"] == "jo"


def test_a_ready_detector_is_the_status_of_its_run(tmp_path):
    workspace = Workspace(tmp_path)
    run = make_run(workspace, epochs=5)
    end(run, "completed", "All done.")
    took = dict.fromkeys(creation.STAGES, 30.0)
    known = {"id": "1", "inputs": "", "voices": ("espeak",), "recordings": 0, "created": "", "began": 0.0}
    _written(workspace, Creation(order=Order(phrase="hey atlas"), run=run.id, took=took, **known))
    document = answer(workspace, "create")
    assert document["run"] == run.id and document["state"] == "completed" and "headline" in document
    assert document["creation"]["state"] == "done" and document["creation"]["seconds"] == 120
    assert "“hey atlas” is ready after 2 min." in call(workspace, "create").stdout
    shutil.rmtree(run.folder)
    assert "The run of “hey atlas” was deleted." in call(workspace, "create").stdout
