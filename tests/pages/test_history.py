import numpy as np
import pytest

from pages.ui.shared import history
from tests.run_folders import epoch_row, make_run, timing_row, workspace_at
from trainer.run import metrics


@pytest.fixture
def always(monkeypatch):
    """Looks as close to each other as they are asked for."""
    monkeypatch.setattr(history, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(history, "MOST_POLL_SECONDS", 0.0)


def test_only_what_was_appended_is_read(tmp_path, monkeypatch, always):
    run = make_run(workspace_at(tmp_path), epochs=500)
    first = history.read(run)
    read = []
    real = metrics.look
    monkeypatch.setattr(metrics, "look", lambda *rest: read.append(real(*rest)) or read[-1])
    assert history.read(run, to_end=False) is first
    metrics.append(run.metrics_file, epoch_row(501))
    second = history.read(run, to_end=False)
    assert [len(first.numbers["epoch"]), len(second.numbers["epoch"])] == [500, 501]
    assert second.version != first.version
    assert sum(look.read for look in read) < 2000 < run.metrics_file.stat().st_size


def test_a_file_that_grew_fast_is_caught_up_with_over_several_looks(tmp_path, monkeypatch, always):
    run = make_run(workspace_at(tmp_path), epochs=3)
    history.read(run)
    for epoch in range(4, 404):
        metrics.append(run.metrics_file, epoch_row(epoch))
    read, counts = [], []
    real = metrics.look
    monkeypatch.setattr(metrics, "look", lambda *rest: read.append(real(*rest)) or read[-1])
    while len(counts) < 2 or counts[-1] != counts[-2]:
        before = len(read)
        counts.append(len(history.read(run, to_end=False).numbers["epoch"]))
        assert sum(look.read for look in read[before:]) <= 32 << 10
    assert len(counts) > 4 and counts[-1] == 403
    metrics.append(run.metrics_file, epoch_row(404))
    assert len(history.read(run).numbers["epoch"]) == 404


def test_the_last_row_of_an_epoch_counts_and_epochs_stand_in_order(tmp_path):
    run = make_run(workspace_at(tmp_path), epochs=3)
    metrics.append(run.metrics_file, epoch_row(2) | {"f1": 0.5})
    metrics.append(run.metrics_file, epoch_row(4) | {"epoch": None})
    assert history.epoch_row(run, 2)["f1"] == 0.5 and history.epoch_row(run, 2)["true_positives"] == 88
    assert history.epoch_row(run, 9) is None
    numbers = history.read(run).numbers
    assert numbers["epoch"].tolist() == [1, 2, 3] and numbers["f1"].tolist()[1] == 0.5


def test_an_epoch_has_its_measures_and_its_times(tmp_path):
    run = make_run(workspace_at(tmp_path), epochs=2)
    metrics.append(run.metrics_file, epoch_row(3))
    numbers = history.read(run).numbers
    assert numbers["f1"].tolist() == [epoch_row(epoch)["f1"] for epoch in (1, 2, 3)]
    assert numbers["cpu_percent"].tolist()[:2] == [93.4, 93.4]
    assert np.isnan(numbers["clips_per_second"][2]), "its times come a moment later"
    assert np.isnan(numbers["gpu_percent"]).all()
    metrics.append(run.timing_file, timing_row(3))
    assert history.read(run).numbers["clips_per_second"].tolist() == [1450.0] * 3
    metrics.append(run.metrics_file, epoch_row(4))
    metrics.append(run.metrics_file, epoch_row(5))
    metrics.append(run.timing_file, timing_row(5) | {"clips_per_second": 7.0})
    speeds = history.read(run).numbers["clips_per_second"]
    assert speeds[[0, 1, 2, 4]].tolist() == [1450.0, 1450.0, 1450.0, 7.0] and np.isnan(speeds[3])


def test_browsers_that_look_at_about_the_same_time_see_the_same(tmp_path, monkeypatch):
    run = make_run(workspace_at(tmp_path), epochs=2)
    first = history.read(run, to_end=False)
    metrics.append(run.metrics_file, epoch_row(3))
    assert history.read(run, to_end=False) is first
    assert len(history.read(run).numbers["epoch"]) == 3, "a run that has ended is shown to its end"


@pytest.mark.parametrize(("epochs", "seconds"), [(10, 1.5), (300, 6.0), (10_000, 10.0)])
def test_a_long_run_is_looked_at_less_often(epochs: int, seconds: float):
    assert history._poll_seconds(epochs) == seconds


def test_a_few_numbers_are_those_of_all(tmp_path):
    run = make_run(workspace_at(tmp_path), epochs=300)
    few, every = history.measured(run, ("step", "f1")), history.read(run).numbers
    assert sorted(few.numbers) == ["epoch", "f1", "step"]
    assert all(np.array_equal(few.numbers[name], every[name]) for name in few.numbers)
    metrics.append(run.metrics_file, epoch_row(301))
    assert len(history.measured(run, ("step", "f1")).numbers["f1"]) == 301
