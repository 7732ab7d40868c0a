"""How long a training takes before anything is measured: counts as the trainer draws them, times that scale."""

import pytest

from tests.run_folders import make_run
from tests.tiny import ignore, make_workspace
from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data import clips
from trainer.engine.data.windows import epoch_windows
from trainer.estimates import duration
from trainer.run import pace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"), hard_negatives=6, streams=4)


@pytest.fixture(scope="module")
def splits(workspace):
    return manifest.read_splits(workspace)


def data(**values: object) -> Config:
    return config_file.build({"data": values})


@pytest.mark.parametrize(
    "config",
    [
        data(),
        data(window_seconds=0.7),
        data(hard_negative_share=0.3),
        data(stream_share=0.6, mined_share=0.1),
        data(epoch_windows=20),
    ],
)
def test_an_epoch_has_as_many_windows_as_the_trainer_draws(workspace, splits, config):
    array = clips.prepare(workspace, [*splits["train"], *splits["val"]], ignore)
    array = array.of_split(frozenset(clip.path for clip in splits["train"]))
    assert duration.epoch_windows(config, splits["train"]) == len(epoch_windows(array, config, 1))


def test_more_epochs_clips_and_work_take_longer(splits):
    def seconds(**groups: dict[str, object]) -> float:
        return duration.seconds(config_file.build(groups), splits)

    start, base, double = (seconds(training={"epochs": epochs}) for epochs in (1, 40, 80))
    assert double - start == pytest.approx(79 / 39 * (base - start), rel=0.1)
    assert seconds(model={"name": "resnet18"}) > 5 * base > 5 * seconds(model={"width": 0.25})
    more = {name: [*each, *each] for name, each in splits.items()}
    assert base < duration.seconds(Config(), more) < 2 * base


def test_the_pace_is_that_of_the_newest_training_on_the_cpu(tmp_path, workspace):
    assert pace.read(workspace) is None
    batch = duration.batch_seconds(Config())
    make_run(workspace, 1, device="CPU, 2 threads", times={"batch": 3 * batch, "batches": 40})
    make_run(workspace, 2, device="NVIDIA X", times={"batch": batch / 50, "batches": 40})
    make_run(workspace, 3, device="CPU, 2 threads")
    assert pace.read(workspace) == pytest.approx(3)
    newest = make_run(workspace, 4, device="CPU, 2 threads", times={"batch": 2 * batch, "batches": 40})
    assert pace.read(workspace) == pytest.approx(2)
    make_run(workspace, 5, device="CPU, 2 threads", times={"batch": 9 * batch})
    assert pace.read(workspace) == pytest.approx(2), "its first batches are a warm-up"
    newest.config_file.write_text("training: {epoch: 1}")
    assert pace.read(workspace) == pytest.approx(3), "its configuration cannot be read"


@pytest.mark.parametrize(
    ("seconds", "text"), [(4, "10 s"), (44, "40 s"), (80, "1 min"), (560, "9 min"), (1900, "30 min"), (7000, "2 h")]
)
def test_an_estimate_is_told_no_more_exactly_than_it_is(seconds, text):
    assert duration.rounded(seconds) == text
