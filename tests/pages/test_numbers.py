import pytest

from pages.ui.shared import metrics, run_notice
from tests.run_folders import CPU, GPU, end, make_alive, make_run, workspace_at, write_progress
from trainer.evaluation import point_text
from trainer.run import runs


def shown(run) -> dict[str, str]:
    status = runs.status(run)
    point = metrics.point_metrics(metrics.point_of_run(status))
    return {
        number.label: number.value
        for number in [*metrics.progress_metrics(status), *metrics.window_rates(status), *point]
    }


def test_every_number_of_a_running_training(tmp_path):
    run = make_run(workspace_at(tmp_path))
    make_alive(run)
    assert shown(run) == {
        "Status": "Running", "Epoch": "4/40", "Batch": "17/38", "Elapsed": "00:02:10", "ETA": "01:02:03",
        "Speed": "1,457 clips/s", "Train loss": "0.1234", "Val loss": "0.8873", "Train accuracy": "97.12 %",
        "Val accuracy": "64.64 %", "FPR": "17.18 %", "FNR": "34.36 %",
        "Threshold": "–", "Miss rate": "4.3 %", "False accepts per hour": "below 7.7",
        "GPU": "none", "CPU": "93 %", "RAM": "1.2 GB",
    }  # fmt: skip


def test_a_gpu_takes_the_place_of_cpu_and_ram(tmp_path):
    run = make_run(workspace_at(tmp_path), reading=GPU)
    make_alive(run)
    found = {number.label: number for number in metrics.progress_metrics(runs.status(run))}
    assert found["GPU"].value == "87 %"
    assert found["GPU"].below == "12.3 of 85.5 GB"
    assert not {"CPU", "RAM"} & set(found)


def test_a_gpu_that_does_not_tell_its_load(tmp_path):
    run = make_run(workspace_at(tmp_path), reading=GPU | {"gpu_percent": None})
    make_alive(run)
    assert shown(run)["GPU"] == "load unknown"


def test_the_limits_of_a_container_are_told(tmp_path):
    """Not the memory of the machine, of which the training may use a part."""
    run = make_run(workspace_at(tmp_path), reading=CPU | {"cpus": 1.5, "memory_limited": True})
    make_alive(run)
    found = {number.label: number for number in metrics.progress_metrics(runs.status(run))}
    assert found["RAM"].below.endswith(" GB (limit)") and "in its container" in found["RAM"].help
    assert found["CPU"].help.endswith(", of which its container may use 1.5.")


@pytest.mark.parametrize("changes", [{"phase": "preparing"}, {"eta_seconds": None}])
def test_there_is_no_time_left_to_tell_before_training(tmp_path, changes):
    run = make_run(workspace_at(tmp_path), **changes)
    make_alive(run)
    assert shown(run)["ETA"] == "--:--:--"


def test_a_run_that_ended_has_no_speed_and_no_time_left(tmp_path):
    run = make_run(workspace_at(tmp_path))
    end(run, "completed", "All done.")
    found = shown(run)
    assert (found["Status"], found["ETA"], found["Speed"], found["GPU"]) == ("Completed", "--:--:--", "–", "–")
    assert found["Elapsed"] == "00:02:10"


def test_before_the_first_epoch_the_strip_says_what_it_waits_for(tmp_path):
    run = make_run(workspace_at(tmp_path), epochs=0)
    waiting = {"epoch": 0, "batch": 0, "batches": 0, "train_loss": None, "train_accuracy": None}
    write_progress(run, [], phase="preparing", clips_per_second=None, reading=None, **waiting)
    make_alive(run)
    found = shown(run)
    assert {name for name, value in found.items() if value == "preparing"} == {
        "Batch", "Speed", "Train loss", "Train accuracy", "GPU"
    }  # fmt: skip
    later = {name for name, value in found.items() if value == "after epoch 1"}
    assert later == {"Val loss", "Val accuracy", "FPR", "FNR"} and found["Epoch"] == "0/40"
    write_progress(run, [], epoch=1)
    make_alive(run)
    found = shown(run)
    assert (found["Batch"], found["Train loss"], found["Val loss"]) == ("17/38", "0.1234", "after epoch 1")
    end(run, "stopped", "Stopped by the user.")
    assert shown(run)["Val loss"] == "–", "there will be none"


def test_the_miss_rate_says_after_which_epoch_and_over_how_much(tmp_path):
    run = make_run(workspace_at(tmp_path))
    make_alive(run)
    point = metrics.point_of_run(runs.status(run))
    found = {number.label: number for number in metrics.point_metrics(point)}
    assert found["False accepts per hour"].below == "0 in 0.39 h"
    first, measured = point_text.sentences(point)
    assert first == "Epoch 3 of the training; no model has been exported yet."
    assert measured.startswith("Measured on the validation stream, on which the threshold was also chosen")
    assert measured.endswith(": 231 words evaluated, false accepts: 0 in 0.39 h.")


def test_rates_are_never_told_as_rates_of_time():
    told = [metrics.FPR_HELP, metrics.FNR_HELP, metrics.F1_HELP]
    assert all("per validation window" in text and "0.5" in text and "not per hour" in text for text in told)


def test_a_silent_run_says_for_how_long_and_what_to_do(tmp_path):
    run = make_run(workspace_at(tmp_path))
    make_alive(run, silent_seconds=75)
    status = runs.status(run)
    found = run_notice.notice(status)
    assert status.state == "unresponsive"
    assert found.tone == "warning"
    assert "alive but has not reported for 75 s" in found.text
    assert "Stop Training" in found.text


@pytest.mark.parametrize(("state", "tone"), [("completed", "success"), ("failed", "error"), ("stopped", "info")])
def test_a_run_that_ended_gives_its_reason(tmp_path, state, tone):
    run = make_run(workspace_at(tmp_path))
    end(run, state, "Because.")
    found = run_notice.notice(runs.status(run))
    assert found.tone == tone
    assert found.text.startswith("Because.")


def test_a_lost_run_says_what_is_kept(tmp_path):
    found = run_notice.notice(runs.status(make_run(workspace_at(tmp_path))))
    assert found.tone == "error"
    assert "checkpoints are kept" in found.text


def test_preparing_says_what_is_being_done(tmp_path):
    run = make_run(workspace_at(tmp_path), phase="preparing", doing="Cutting clips: 12 of 50")
    make_alive(run)
    assert run_notice.notice(runs.status(run)).text == "Preparing. Cutting clips: 12 of 50"
    write_progress(run, [])
    assert run_notice.notice(runs.status(run)) is None


def test_a_trainer_that_has_told_nothing_yet_was_not_heard_of_for_as_long_as_the_one_before(tmp_path):
    run = make_run(workspace_at(tmp_path), attempt=0)
    make_alive(run, silent_seconds=75)
    assert "has not reported yet" in run_notice.notice(runs.status(run)).text


@pytest.mark.parametrize("rate, shown", [(0.2125, 21.2), (0.0004, 0.0), (1, 100.0), (None, None), ("0.5", None)])
def test_a_rate_in_a_table_is_rounded_as_in_a_sentence(rate: object, shown: float | None):
    assert metrics.in_percent(rate) == shown
    if isinstance(rate, float):
        assert point_text.percent(rate) == f"{shown} %"
