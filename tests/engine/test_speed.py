"""What a training costs beside its model: time, memory over epochs, memory while clips are read."""

import os
import tracemalloc

import numpy as np

from benchmarks import training_speed
from tests.tiny import ignore, make_workspace, tiny_config, write_wav
from trainer.audio.manifest import Clip
from trainer.engine.data import clips
from trainer.system.workspace import Workspace


def test_the_loop_and_its_limit_are_measured_for_both_kinds_of_features(tmp_path):
    workspace = make_workspace(tmp_path)
    for model in ("tc_resnet", "dense"):
        session = training_speed.prepared(workspace, training_speed.config_of(model, 64))
        speed = training_speed.measure(session, seconds=0.1, turns=1)
        assert 0 < speed.loop < 3 * speed.limit, "what is timed is the work itself"


def test_a_trainer_process_is_measured_from_its_start(tmp_path):
    trained = training_speed.train_in_process(make_workspace(tmp_path), tiny_config(epochs=3))
    assert 0.5 < trained.first_batch_seconds < 60 and trained.held
    assert all(1e8 < held < 2e9 for held in trained.held)


def test_memory_stays_the_same_over_epochs(tmp_path):
    """In a process of its own, as that of the tests has a past. An allocator may take a little more once in a while;
    what is kept of each epoch would show in most of them."""
    held = training_speed.train_in_process(make_workspace(tmp_path), tiny_config(epochs=32, threads=2)).held
    told = [f"{each / 1e6:.1f} MB" for each in held]
    steps = np.diff(held[8:28])  # before the export at the end
    assert (steps > 5e4).sum() <= 8 and steps.sum() < 2.6e7, " ".join(told)


def test_many_clips_are_read_without_holding_them(tmp_path):
    workspace, count = Workspace(tmp_path), 3000
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 8000)
    write_wav(workspace.raw / "negative/0.wav", wave)
    for number in range(1, count):
        os.link(workspace.raw / "negative/0.wav", workspace.raw / f"negative/{number}.wav")
    many = [Clip(f"negative/{i}.wav", "negative", str(i), 0.5, 16000, 1, str(i), 0, 0) for i in range(count)]
    tracemalloc.start()
    array = clips.prepare(workspace, many, ignore)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert array.samples.nbytes == count * 16000 and peak < array.samples.nbytes / 3
