"""Which negatives are found hard, when they are looked for, and how an epoch hears them."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.engine.arrays import RATE, array_of, tone
from tests.engine.test_loop import prepared
from tests.tiny import make_workspace, tiny_config
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data.batches import open_feed
from trainer.engine.data.windows import MINED_JITTER_MS, Windows, epoch_counts, epoch_windows
from trainer.engine.training import checkpoints, loop, mining, validation
from trainer.system.workspace import Workspace

SIZE = round(1.5 * RATE)
JITTER = MINED_JITTER_MS * RATE // 1000


@functools.cache
def array():
    waves = {f"positive/{i}.wav": tone(200 + i, 2.0) for i in range(6)}
    waves |= {f"hard_negative/{i}.wav": tone(500 + i, 1.0) for i in range(5)}
    waves |= {"negative/long.wav": tone(700, 30.0), "negative/short.wav": tone(700, 0.3)}
    waves |= {"background/hum.wav": tone(50, 1.0), "rirs/room.wav": tone(50, 0.1)}
    return array_of(waves, {f"positive/{i}.wav": (8000, 20000) for i in range(6)})


def made(**changes: dict) -> Config:
    return Config.model_validate(changes)


def mined_pool(count: int = 5) -> Windows:
    found = mining.candidates(array(), made())
    return mining.select_hardest(array(), found, np.linspace(1, 0, len(found)).astype(np.float32), count).pool


def test_candidates_cover_every_negative_and_nothing_else():
    found = mining.candidates(array(), made())
    labels = {array().clips[i].label for i in found.clip}
    assert labels == {"negative", "hard_negative", "background"} and not found.positive.any()
    for clip in np.unique(found.clip):
        ends = found.start[found.clip == clip] + SIZE
        assert (np.diff(ends) == SIZE // 2).all() and ends[0] == SIZE // 2
        assert array().lengths[clip] <= ends[-1] < array().lengths[clip] + SIZE // 2


@given(
    share=st.sampled_from([0.1, 0.3]), every=st.integers(1, 12), epochs=st.integers(1, 40), start=st.booleans(),
    after=st.integers(0, 45),
)  # fmt: skip
def test_how_often_is_how_often_it_is_due(share: float, every: int, epochs: int, start: bool, after: int):
    training = {"epochs": epochs, "start_from": "latest" if start else ""}
    config = made(data={"mined_share": share, "mining_epochs": every}, training=training)
    due = [epoch for epoch in range(1, epochs + 1) if mining.due(config, epoch)]
    assert due == [e for e in range(1, epochs + 1) if (e - 1) % every == 0 and (e > 1 or start)]
    assert mining.count_minings(config, after) == sum(epoch > after for epoch in due)


def test_without_a_share_nothing_is_ever_mined():
    assert not any(mining.due(made(), epoch) for epoch in range(1, 50)) and mining.count_minings(made()) == 0


@given(
    drawn=st.integers(0, 50),
    scores=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=300),
)
def test_the_pool_is_the_hardest_and_no_larger_than_it_may_be(drawn: int, scores: list[float]):
    probability = np.array(scores, np.float32)
    clip = np.arange(len(scores)) % len(array().clips)
    windows = Windows(clip, np.arange(len(scores)), np.zeros(len(scores), bool))
    found = mining.select_hardest(array(), windows, probability, drawn)
    assert 1 <= len(found.pool) <= max(1, min(4 * drawn, round(0.1 * len(scores))))
    kept = probability[found.pool.start]
    assert (np.diff(kept) <= 0).all() and kept.min() >= np.delete(probability, found.pool.start).max(initial=0)
    assert (found.scored, found.above_half) == (len(scores), sum(score > 0.5 for score in scores))
    assert found.hardest_clips[0] == (array().clips[clip[np.argmax(probability)]].path, probability.max())


@given(seed=st.integers(0, 99), epoch=st.integers(1, 50), share=st.floats(0, 0.5), limit=st.sampled_from([0, 40]))
def test_an_epoch_is_a_function_of_array_configuration_epoch_and_pool(seed, epoch, share, limit):
    config = made(data={"mined_share": share, "epoch_windows": limit}, training={"seed": seed})
    pool = mined_pool()
    one, again = (epoch_windows(array(), config, epoch, pool) for _ in range(2))
    assert all((getattr(one, f.name) == getattr(again, f.name)).all() for f in dataclasses.fields(one))
    counts = epoch_counts(array(), config)
    assert len(one) == sum(dataclasses.astuple(counts)) == len(epoch_windows(array(), config, epoch))
    assert one.positive.sum() == counts.positive


def test_the_share_comes_from_the_pool_as_negatives_moved_a_little():
    config, pool = made(data={"mined_share": 0.3}), mined_pool(2).take(slice(0, 3))
    heard = [epoch_windows(array(), config, epoch, pool) for epoch in (1, 2)]
    places = []
    for windows in heard:
        offset = np.abs(windows.start[:, None] - pool.start[None])
        of_pool = ((windows.clip[:, None] == pool.clip[None]) & (offset <= JITTER)).any(1)
        assert of_pool.mean() >= 0.29 and not windows.positive[of_pool].any()
        places.append(set(windows.start[of_pool].tolist()))
    assert len(places[0]) > 10 and places[0] != places[1], "the same window is never heard twice alike"


def test_without_a_pool_the_share_goes_to_ordinary_negatives():
    config = made(data={"mined_share": 0.3})
    counts, windows = epoch_counts(array(), config), epoch_windows(array(), config, 1)
    ordinary = [array().clips[i].label in ("negative", "hard_negative") for i in windows.clip]
    assert sum(ordinary) == counts.other + counts.mined and counts.mined == pytest.approx(0.3 * len(windows), abs=1)


class Loudest(nn.Module):
    """A word detector that takes loudness for the word; it remembers whether it was in training."""

    modes: tuple[bool, ...] = ()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        self.modes += (self.training,)
        return features.abs().mean((1, 2)) - 1


def test_scoring_hears_clean_windows_in_eval_mode_and_the_same_each_time():
    feed = open_feed(array(), made(data={"mined_share": 0.2}), torch.device("cpu"), augmented=True)
    model, told = Loudest().train(), []

    def heard(done: int, of: int) -> None:
        told.append((done, of))

    first, again = mining.mine(model, feed, heard), mining.mine(model, feed, heard)
    assert (first.pool.start == again.pool.start).all() and (first.pool.clip == again.pool.clip).all()
    assert first.hardest_clips == again.hardest_clips and not any(model.modes)
    assert told[-1] == (first.scored, first.scored)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def mining_config(**training: object) -> Config:
    document = tiny_config(**training).model_dump() | {"data": {"mined_share": 0.3, "mining_epochs": 2}}
    return config_file.build({name: group for name, group in document.items() if group})


def test_a_training_mines_when_it_is_time_and_keeps_the_pool(workspace: Workspace, capsys):
    session = prepared(workspace, mining_config(epochs=5), "mined")
    assert loop.train(session).state == "completed"
    lines = [line for line in capsys.readouterr().out.splitlines() if "Mining before" in line]
    assert [line.split("epoch ")[1][0] for line in lines] == ["3", "5"]
    assert " above 0.5; the hardest " in lines[0] and ".wav (" in lines[0]
    found = mining.pool_from(checkpoints.load(session.run.checkpoints, checkpoints.name(5))["course"]["pool"])
    assert found and (found.clip < len(session.train.array.clips)).all() and not found.positive.any()
    labels = {session.train.array.clips[i].label for i in found.clip}
    assert labels <= {"negative", "hard_negative", "background"}
    assert mining.pool_tensors(None) is None and mining.pool_from(None) is None


def test_the_beat_goes_on_while_scoring_and_stop_is_obeyed(workspace: Workspace, monkeypatch):
    monkeypatch.setattr(validation, "BATCH", 8)
    wanted, told = [], []
    session = prepared(workspace, mining_config(epochs=5), "stopped")
    update_progress = loop.update_progress

    def tell(journal, **changes):
        update_progress(journal, **changes)
        if journal.progress.phase == "mining":
            told.append(journal.progress.doing)
            wanted.append("stop")

    monkeypatch.setattr(loop, "update_progress", tell)
    session = dataclasses.replace(session, read_request=lambda: wanted[-1] if len(wanted) > 2 else None)
    end = loop.train(session)
    assert end.state == "stopped" and end.reason.startswith("Stopped by the user before epoch 3; the best model is")
    assert told[1].startswith("Mining hard negatives: 8 of ") and len(told) == 3
