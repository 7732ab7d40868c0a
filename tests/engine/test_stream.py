"""The validation clips as a stream: where the words lie, how loud the noise is, and that windows are those of clips."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from tests.engine.arrays import RATE, array_of, tone
from tests.tiny import ignore, make_workspace
from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data import clips
from trainer.engine.data.batches import Feed, open_feed
from trainer.engine.data.clips import ClipArray
from trainer.engine.data.windows import window_samples
from trainer.engine.models import factory
from trainer.engine.training import validation
from trainer.estimates import model_size
from trainer.streams import composition
from trainer.streams.composition import Composed, Options
from trainer.streams.spoken import FLOOR_DB, GAP_SECONDS, WORD_DB

rng = np.random.default_rng(0)
WAVES = {f"positive/{i}.wav": np.pad(tone(500 + 50 * i, 0.6, 0.05 + 0.1 * i), (9600, 9600)) for i in range(4)}
WAVES |= {"negative/long.wav": 0.1 * rng.standard_normal(20 * RATE), "hard_negative/a.wav": tone(1500, 1.0)}
WAVES |= {"background/loud.wav": 0.3 * rng.standard_normal(3 * RATE), "background/silent.wav": np.zeros(RATE)}
WAVES |= {"rirs/hall.wav": rng.standard_normal(4000) * np.exp(-np.arange(4000) / 600)}
ARRAY = array_of(WAVES, {f"positive/{i}.wav": (9600, 19200) for i in range(4)})

NO_FEATURES = Path("no-such-folder")


def feed_of(**changes: dict) -> Feed:
    return open_feed(ARRAY, config_file.build(changes), torch.device("cpu"), augmented=False)


def level_db(wave: np.ndarray) -> float:
    return 10 * np.log10(np.mean(np.square(wave)))


def composed(array: ClipArray) -> dict[str, Composed]:
    return {each.recording.name: each for each in validation.compose_stream(array, lambda: None)}


def spoken(each: Composed) -> list[np.ndarray]:
    return [each.wave[round(RATE * word.start) : round(RATE * word.end)] for word in each.recording.words]


def test_each_word_is_heard_quiet_in_noise_and_in_a_room_at_one_level():
    found = composed(ARRAY)
    assert {name: len(each.recording.words) for name, each in found.items()} == {
        "clean-1": 4, "noise-10dB-1": 4, "noise-5dB-1": 4, "room1-1": 4, "speech-1": 0, "look-alikes-1": 0,
        "noise-1": 0,
    }  # fmt: skip
    for each in (found["clean-1"], found["room1-1"]):
        assert [level_db(word) for word in spoken(each)] == pytest.approx([WORD_DB] * 4, abs=0.2)
        words = each.recording.words
        assert min(after.start - before.end for before, after in pairwise(words)) >= GAP_SECONDS[0]
        assert [word.end - word.start for word in words] == pytest.approx([0.6] * 4, abs=0.05)
    silence = [level_db(found[name].wave[: RATE // 2]) for name in ("clean-1", "noise-10dB-1", "noise-5dB-1")]
    assert silence == pytest.approx([FLOOR_DB, WORD_DB - 10, WORD_DB - 5], abs=1)
    assert [len(found[name].wave) / RATE for name in ("speech-1", "look-alikes-1")] == pytest.approx([20.3, 1.3])


def test_what_a_split_lacks_is_left_out():
    bare = {path: wave for path, wave in WAVES.items() if path.split("/")[0] in ("positive", "negative")}
    assert list(composed(array_of(bare))) == ["clean-1", "speech-1"]
    silent = bare | {"background/silent.wav": np.zeros(RATE)}
    assert list(composed(array_of(silent))) == ["clean-1", "speech-1", "noise-1"], "silence is a negative, but no noise"


def test_of_very_much_only_every_nth_clip_is_heard(monkeypatch):
    monkeypatch.setattr(validation, "MOST_STREAM_SECONDS", 10.0)
    many = {f"negative/{i}.wav": tone(300, 1.0) for i in range(50)}
    found = composed(array_of(many | {"positive/a.wav": tone(500, 1.0)}))
    assert found["speech-1"].wave.size <= 10 * 1.3 * RATE


def test_a_training_and_an_evaluation_compose_the_same_streams_of_the_same_clips(tmp_path):
    workspace = make_workspace(tmp_path, hard_negatives=8)
    evaluated = composition.compose_test_split(workspace, Options(), ignore)
    trained = composed(clips.prepare(workspace, manifest.read_split(workspace, "test"), ignore))
    assert [each.recording for each in trained.values()] == evaluated.recordings
    for each in trained.values():
        heard = soundfile.read(evaluated.path_of(each.recording), dtype="float32")[0]
        assert np.abs(heard - np.clip(each.wave, -1, 1)).max() < 1e-4  # the file holds 16 bits


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"features": {"hop_ms": 12}},
        {"features": {"kind": "mfcc", "normalisation": "window"}},
        {"features": {"kind": "pcen", "normalisation": "none", "hop_ms": 16}},
        {"features": {"kind": "speech_embedding"}, "data": {"window_seconds": 2.0}, "model": {"name": "gru"}},
    ],
    ids=str,
)
def test_a_window_of_the_stream_is_seen_as_that_window_alone(options: dict):
    feed = feed_of(**options)
    wave = composed(ARRAY)["speech-1"].wave
    size, hop = window_samples(feed.config), validation.hop_seconds(feed.config)
    assert hop == pytest.approx(0.1, abs=0.03)
    columns, seen = validation.columns_of(feed, wave, lambda: None), []
    model = Spy(seen)
    count = len(validation.stream_probability(model, feed, columns, lambda: None))
    assert count == int(len(wave) / RATE / hop + 1e-6)
    padded = np.pad(wave, (size, 0))
    for number in (0, 7, 100, count - 1):
        end = size + round((number + 1) * hop * RATE)
        alone = feed.front_end(torch.from_numpy(padded[end - size : end].copy())[None])
        assert alone.shape[2] == model_size.frames(feed.config)
        torch.testing.assert_close(torch.cat(seen)[number], alone[0], rtol=1e-3, atol=2e-3)


class Spy(nn.Module):
    """Keeps what it is shown."""

    def __init__(self, seen: list[torch.Tensor]) -> None:
        super().__init__()
        self.seen = seen

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        self.seen.append(features.clone())
        return torch.zeros(len(features))


class TonesUpTo(nn.Module):
    """High while the loudest band of a late part of the window is that of a word."""

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.sign = sign

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        late = features[:, :, -20:].mean(2)
        return self.sign * (late[:, 8:16].amax(1) - late[:, 16:].amax(1) - 2)


def test_a_detector_that_hears_the_words_misses_none_and_one_that_hears_all_else_misses_all():
    feed = feed_of(training={"false_accepts_per_hour": 1.0})
    opened = validation.open_stream(feed, NO_FEATURES, lambda: None)
    measured = (validation.measure_stream(TonesUpTo(sign), feed, opened, lambda: None) for sign in (1.0, -1.0))
    (good, prior, unsmoothed), (bad, *_) = measured
    assert good is not None and bad is not None and prior is None, "log-mel models have no threshold prior"
    assert unsmoothed is None, "nothing but Wakeword Studio computes log-mel as it does"
    assert (good.misses, good.words, good.false_accepts) == (0, 16, 0) and bad.misses == 16
    assert good.hours == pytest.approx((20.3 + 1.3 + 4.6) / 3600, rel=0.02)
    assert "0 of 16 words missed (0.00%) with 0 false accepts in 0.01 h" in validation.describe_stream(good)
    assert validation.stream_row(good)["miss_rate"] == 0.0 and validation.stream_row(good)["stream_words"] == 16


def test_public_embeddings_are_long_recordings_that_score_like_their_sound(tmp_path, capsys):
    feed = feed_of(
        features={"kind": "speech_embedding"}, data={"window_seconds": 2.0}, model={"name": "gru"},
        training={"false_accepts_per_hour": 1.0},
    )  # fmt: skip
    wave = composed(ARRAY)["speech-1"].wave
    columns = validation.columns_of(feed, wave, lambda: None)
    np.save(tmp_path / "evening.npy", columns.numpy().astype(np.float32))
    np.save(tmp_path / "flat.npy", np.zeros(960, np.float32))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    opened = validation.open_stream(feed, tmp_path, lambda: None)
    plain = validation.open_stream(feed, NO_FEATURES, lambda: None)
    (added,) = opened.recordings[len(plain.recordings) :]
    assert (added.name, added.is_long, added.counts_false_accepts) == ("evening", True, True)
    assert added.seconds == pytest.approx(len(columns) * 0.08)
    model = factory.build(feed.config)
    heard = validation.stream_probability(model, feed, columns, lambda: None)
    np.testing.assert_array_equal(heard, validation.stream_probability(model, feed, opened.columns[-1], lambda: None))
    told = capsys.readouterr().out
    assert all(f"{name}.npy is not an array of speech embeddings" in told for name in ("flat", "objects", "broken"))
    assert list(validation.public_embeddings(feed_of().config, tmp_path)) == [], "log-mel models have other features"


@pytest.mark.parametrize(("every", "epochs"), [(0, 10), (1, 7), (5, 40), (5, 12), (7, 3)])
def test_what_is_still_to_be_heard_is_what_is_due(every: int, epochs: int):
    config = Config.model_validate({"training": {"stream_epochs": every, "epochs": epochs}})
    for after in range(epochs + 1):
        due = [epoch for epoch in range(after + 1, epochs + 1) if validation.stream_due(config, epoch)]
        assert validation.count_streams(config, after) == len(due)
    assert not every or validation.stream_due(config, epochs)
