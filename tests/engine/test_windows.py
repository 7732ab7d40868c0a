"""Which windows an epoch hears."""

import numpy as np
import pytest

from tests.engine.arrays import RATE, array_of, tone
from trainer.config.schema import Config
from trainer.engine.data import windows
from trainer.engine.data.windows import epoch_windows, gather, validation_windows

SIZE = round(1.5 * RATE)


@pytest.fixture(scope="module")
def array():
    waves = {f"positive/{i}.wav": tone(200 + i, 2.0) for i in range(6)}
    waves |= {f"hard_negative/{i}.wav": tone(500 + i, 1.0) for i in range(5)}
    waves |= {"negative/long.wav": tone(700, 30.0), "background/hum.wav": tone(50, 1.0)}
    words = {f"positive/{i}.wav": (8000, 20000) for i in range(6)}
    return array_of(waves, words)


def made(**changes: dict) -> Config:
    return Config.model_validate(changes)


def test_an_epoch_has_the_shares_that_were_asked_for_and_every_clip(array):
    config = made(data={"positive_share": 0.3, "unfinished_share": 0.2, "background_share": 0.1})
    epoch = epoch_windows(array, config, 1)
    of_positives = np.isin(epoch.clip, array.labelled("positive"))
    assert epoch.positive.mean() == pytest.approx(0.3, abs=0.03)
    assert (of_positives & ~epoch.positive).mean() == pytest.approx(0.2, abs=0.03)
    assert np.isin(epoch.clip, array.labelled("background")).mean() == pytest.approx(0.1, abs=0.03)
    assert set(epoch.clip) == set(range(len(array.clips)))


def test_hard_negatives_can_have_a_share_of_their_own(array):
    epoch = epoch_windows(array, made(data={"hard_negative_share": 0.4, "positive_share": 0.2}), 1)
    assert np.isin(epoch.clip, array.labelled("hard_negative")).mean() == pytest.approx(0.4, abs=0.03)
    assert epoch.positive.mean() == pytest.approx(0.2, abs=0.03)
    assert set(epoch.clip) == set(range(len(array.clips))), "still every clip at least once"


def test_a_share_of_hard_negatives_means_nothing_where_there_are_none():
    array = array_of({"positive/a.wav": tone(300, 1.0), "negative/b.wav": tone(900, 20.0)}, {})
    plain, asked = (epoch_windows(array, made(data={"hard_negative_share": share}), 1) for share in (0.0, 0.4))
    assert (plain.clip == asked.clip).all() and (plain.start == asked.start).all()


def test_other_negatives_come_partly_from_long_recordings_at_any_time(array):
    waves = {f"positive/{i}.wav": tone(200 + i, 2.0) for i in range(6)}
    waves |= {f"negative/{i}.wav": tone(700 + i, 2.0) for i in range(40)}
    without = array_of(waves, {})
    streams = array_of(waves | {"stream/anna.wav": tone(50, 300.0), "stream/ben.wav": tone(60, 100.0)}, {})
    for share in (0.0, 0.3, 0.6):
        config = made(data={"stream_share": share})
        epoch, plain = epoch_windows(streams, config, 1), epoch_windows(without, config, 1)
        others = np.isin(epoch.clip, streams.labelled("negative", "stream"))
        from_streams = np.isin(epoch.clip, streams.labelled("stream"))
        assert (
            from_streams.sum() == pytest.approx(share * others.sum(), abs=1) and not epoch.positive[from_streams].any()
        )
        assert set(streams.labelled("negative")) <= set(epoch.clip), "still every clip at least once"
        if not share:
            assert (epoch.clip == plain.clip).all() and (epoch.start == plain.start).all()
        else:
            anna, ben = streams.labelled("stream")
            assert (epoch.clip == anna).sum() > (epoch.clip == ben).sum(), "drawn by their length"
            ends = (epoch.start + SIZE)[epoch.clip == anna] / RATE
            assert ends.min() < 100 and ends.max() > 200


def test_a_positive_window_holds_the_word_and_ends_in_the_span_after_it(array):
    config = made(data={"word_margin_ms": 100}, augmentation={"shift_ms": 300})
    for number in range(1, 6):
        epoch = epoch_windows(array, config, number)
        words = array.words[epoch.clip]
        after = (epoch.start + SIZE - words[:, 1])[epoch.positive] / RATE
        assert after.min() >= 0.1 and after.max() <= 0.4
        assert (epoch.start <= words[:, 0])[epoch.positive].all()


def test_an_unfinished_window_lacks_a_good_part_of_the_word(array):
    config = made(data={"unfinished_share": 0.4})
    epoch = epoch_windows(array, config, 1)
    chosen = np.isin(epoch.clip, array.labelled("positive")) & ~epoch.positive
    first, last = array.words[epoch.clip].T
    heard = np.minimum(epoch.start + SIZE, last) - np.maximum(epoch.start, first)
    assert chosen.sum() > 10
    assert (heard[chosen] <= 0.66 * (last - first)[chosen]).all()


def test_an_epoch_is_a_function_of_seed_and_epoch(array):
    first, again = epoch_windows(array, made(), 3), epoch_windows(array, made(), 3)
    assert (first.clip == again.clip).all() and (first.start == again.start).all()
    other = [epoch_windows(array, made(), 4), epoch_windows(array, made(training={"seed": 1}), 3)]
    assert all(len(o) != len(first) or (o.start != first.start).any() for o in other)


def test_the_number_of_windows_can_be_limited(array):
    assert len(epoch_windows(array, made(data={"epoch_windows": 20}), 1)) == 20


def test_validation_hears_each_word_once_and_long_clips_in_full(array):
    fixed = validation_windows(array, made())
    assert fixed.positive.sum() == 6
    assert (fixed.clip == array.labelled("negative")[0]).sum() == 19  # 30 s in tiles of 1.5 s, the last one not whole
    assert len(fixed) == 6 + 5 + 19


def test_what_lies_outside_a_clip_is_silence(array):
    chosen = windows.Windows(np.array([0, 0]), np.array([-100, 2 * RATE - 50]), np.array([True, True]))
    early, late = gather(array, chosen, 1000)
    assert not early[:100].any() and (early[100:] == array.samples[:900]).all()
    assert not late[50:].any() and (late[:50] == array.samples[2 * RATE - 50 : 2 * RATE]).all()
