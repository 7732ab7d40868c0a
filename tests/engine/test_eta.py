"""What is left of a training, as arithmetic: pieces count as often as they come, times are followed as they change."""

import pytest

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.training import eta
from trainer.engine.training.eta import Times
from trainer.engine.training.training_state import TrainingState

TIMES = Times(start=2.0, batch=1.0, validation=10.0, saving=3.0, within=5.0, mining=100.0, opening=200.0, stream=1000.0)


def config(**training: object) -> Config:
    options = {"epochs": 4, "batch_size": 10, "stream_epochs": 2, "checkpoint_minutes": 0.0} | training
    return config_file.build({"training": options, "data": {"mined_share": 0.2, "mining_epochs": 2}})


def left(course: TrainingState, since_saved: float = 0.0, opened: bool = True, **training: object) -> float | None:
    options = config(**training)
    counted = eta.remaining_work(options, course.epoch, course.batch, 7.5, opened)
    return eta.remaining_seconds(TIMES, counted, options.training.checkpoint_minutes, since_saved)


EPOCH = 2 + 6.5 * 1
"""The first batch, then those after it; the last is half a one."""


@pytest.mark.parametrize(
    ("course", "seconds"),
    [
        (TrainingState(epoch=1), 4 * (EPOCH + 13) + 100 + 2 * 1000),
        (TrainingState(epoch=1, batch=3), 4.5 + 3 * EPOCH + 4 * 13 + 100 + 2 * 1000),
        (TrainingState(epoch=2, batch=8), 2 * EPOCH + 3 * 13 + 100 + 2 * 1000),
        (TrainingState(epoch=3), 2 * (EPOCH + 13) + 100 + 1000),
        (TrainingState(epoch=3, batch=1), 6.5 + EPOCH + 2 * 13 + 1000),
        (TrainingState(epoch=4, batch=7), 0.5 + 13 + 1000),
        (TrainingState(epoch=5), 0.0),
    ],
)
def test_each_piece_counts_as_often_as_it_comes(course: TrainingState, seconds: float):
    assert left(course) == pytest.approx(seconds)


def test_a_stream_that_is_not_open_yet_is_opened_once():
    assert left(TrainingState(epoch=3), opened=False) - left(TrainingState(epoch=3)) == pytest.approx(200)
    assert left(TrainingState(epoch=3), opened=False, stream_epochs=0) == left(TrainingState(epoch=3), stream_epochs=0)


def test_checkpoints_fall_where_the_time_since_the_last_one_is_up():
    """Every three seconds: two in an epoch of 8.5 s; of the 4.5 s of batches left one, and two when 2 s had passed."""
    often = {"checkpoint_minutes": 0.05}
    assert left(TrainingState(epoch=4), **often) - left(TrainingState(epoch=4)) == pytest.approx(2 * 5)
    begun = TrainingState(epoch=4, batch=3)
    assert left(begun, **often) - left(begun) == pytest.approx(5)
    assert left(begun, since_saved=2.0, **often) - left(begun) == pytest.approx(2 * 5)


def test_nothing_is_told_before_the_first_batch_and_what_was_never_measured_counts_nothing():
    counted = eta.remaining_work(config(), epoch=1, batch=1, batches=7.5, stream_ready=False)
    assert eta.remaining_seconds(Times(), counted, 0.0, 0.0) is None
    assert eta.remaining_seconds(Times(batch=1.0), counted, 0.0, 0.0) == pytest.approx(6.5 + 3 * 7.5)


def after(times: Times, seconds: list[float], share: float = 1.0) -> Times:
    for number, each in enumerate(seconds, start=1):
        times = eta.add_batch(times, each, share, number)
    return times


def test_slow_first_batches_are_forgotten_and_later_ones_followed():
    assert after(Times(), [9.0]).batch == 9.0, "better than nothing"
    settled = after(Times(), [9.0, 9.0, 9.0, 1.0, 1.0, 1.0])
    assert settled.batch == pytest.approx(1.0)
    assert after(Times(), [9.0, 9.0, 9.0, 1.0, 3.0]).batch == pytest.approx(2.0)
    assert after(settled, [2.0] * 5 * eta.RECENT_BATCHES).batch == pytest.approx(2.0, rel=0.02)
    assert after(Times(), [0.5] * 9, share=0.5).batch == pytest.approx(1.0), "half a batch takes half the time"


def test_the_first_batches_after_a_resume_do_not_shake_what_is_known():
    known = eta.from_document(eta.to_document(after(Times(), [1.0] * 30)))
    assert after(known, [9.0, 9.0, 9.0]) == known
    assert after(known, [9.0, 9.0, 9.0, 1.0]).batch == pytest.approx(1.0)


def test_a_piece_that_comes_seldom_is_mostly_its_last_time_and_the_document_keeps_all():
    times = eta.add_duration(eta.add_duration(Times(), "mining", 2.0), "mining", 4.0)
    assert times.mining == pytest.approx(3.0) and times.stream is None
    assert eta.from_document(eta.to_document(times) | {"of another version": 1.0}) == times
