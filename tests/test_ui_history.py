from pages.ui import history
from tests.run_folders import epoch_row, make_run, workspace_at
from trainer import metrics


def test_only_what_was_appended_is_read(tmp_path, monkeypatch):
    run = make_run(workspace_at(tmp_path), epochs=500)
    first = history.read(run)
    read = []
    real = history.read_more
    monkeypatch.setattr(history, "read_more", lambda tail, path: read.append(real(tail, path)))
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
