from pages.ui import history
from tests.run_folders import epoch_row, make_run, timing_row, workspace_at
from trainer import metrics


def test_only_what_was_appended_is_read(tmp_path, monkeypatch):
    run = make_run(workspace_at(tmp_path), epochs=500)
    first = history.read(run)
    read = []
    real = metrics.read_more
    monkeypatch.setattr(metrics, "read_more", lambda tail, path: read.append(real(tail, path)))
    assert history.read(run).version == first.version
    assert sum(read) == 0
    metrics.append(run.metrics_file, epoch_row(501))
    second = history.read(run)
    assert [len(first.rows), len(second.rows)] == [500, 501]
    assert second.version != first.version
    assert 0 < sum(read) < 1000 < run.metrics_file.stat().st_size


def test_the_last_row_of_an_epoch_counts(tmp_path):
    run = make_run(workspace_at(tmp_path), epochs=3)
    metrics.append(run.metrics_file, epoch_row(2) | {"f1": 0.5})
    assert history.epoch_row(run, 2)["f1"] == 0.5
    assert history.epoch_row(run, 9) is None


def test_an_epoch_has_its_measures_and_its_times(tmp_path):
    run = make_run(workspace_at(tmp_path), epochs=2)
    metrics.append(run.metrics_file, epoch_row(3))
    rows = history.read(run).rows
    assert [row["f1"] for row in rows] == [epoch_row(epoch)["f1"] for epoch in (1, 2, 3)]
    assert [row.get("clips_per_second") for row in rows] == [1450.0, 1450.0, None], "its times come a moment later"
    metrics.append(run.timing_file, timing_row(3))
    assert history.read(run).rows[-1]["elapsed_seconds"] == 22.5
