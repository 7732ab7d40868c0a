"""Every option acts: changing it alone changes what is built, fed, optimised or written by a training that really runs.

The parts of a training in the order in which one follows from the other: the machine it runs on, what is built (first
weights), what is fed (windows and features of every batch), what is optimised (losses and last weights), and what is
written (rows, checkpoints). The table names the first part that an option changes; the parts before must stay as
they were.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import torch

from tests import run_folders
from tests.tiny import make_workspace
from trainer.config import config_file
from trainer.config.option_list import options
from trainer.config.schema import Config
from trainer.engine.training import checkpoints, epoch, loop
from trainer.engine.training.session import Session
from trainer.system import durable
from trainer.system.workspace import Workspace

PARTS = ("machine", "built", "fed", "optimised", "written")
BASE = {
    "model": {"width": 0.25},
    "augmentation": {"shift_ms": 100},
    "optimizer": {"learning_rate": 0.01, "warmup_epochs": 0.5},
    "training": {"epochs": 1, "batch_size": 16, "patience": 0, "threads": 1, "device": "cpu"},
}
MINING = {"data": {"mined_share": 0.3, "mining_epochs": 1}, "training": {"epochs": 3}}
NOT_IMPROVING = {"optimizer": {"learning_rate": 1.0, "warmup_epochs": 8.0}, "training": {"epochs": 8}}
"""The rate rises to the end, so that the validation loss soon stops falling."""
ON_PLATEAUS = {
    "optimizer": {"schedule": "plateau", "plateau_patience": 1, "warmup_epochs": 0.0}, "training": {"epochs": 6},
}  # fmt: skip
EMBEDDING = {"data": {"window_seconds": 2.0}, "features": {"kind": "speech_embedding"}, "model": {"name": "dense"}}
EARLIER = "20260101-120000-0001"


@dataclass(frozen=True)
class Act:
    """Another value of an option, the first part of a training that it changes, and a base on which it can act."""

    value: float | int | str
    first: str
    base: dict[str, dict[str, object]] = field(default_factory=dict)


ACTS = {
    "data.window_seconds": Act(1.0, "fed"),
    "data.word_margin_ms": Act(150, "fed"),
    "data.positive_share": Act(0.5, "fed"),
    "data.unfinished_share": Act(0.3, "fed"),
    "data.background_share": Act(0.3, "fed"),
    "data.hard_negative_share": Act(0.3, "fed"),
    "data.stream_share": Act(0.6, "fed"),
    "data.mined_share": Act(0.3, "fed", {"data": {"mining_epochs": 1}, "training": {"epochs": 2}}),
    "data.mining_epochs": Act(2, "fed", MINING),
    "data.epoch_windows": Act(20, "fed"),
    "features.kind": Act("pcen", "fed"),
    "features.mel_bands": Act(32, "built"),
    "features.mfcc_coefficients": Act(20, "built", {"features": {"kind": "mfcc"}}),
    "features.normalisation": Act("data_set", "built"),
    "features.frame_ms": Act(32, "fed"),
    "features.hop_ms": Act(20, "fed"),
    "features.low_hz": Act(300, "fed"),
    "features.high_hz": Act(3800, "fed"),
    "features.embedding_rounds": Act(1, "fed", EMBEDDING | {"training": {"epochs": 2}}),
    "augmentation.gain_probability": Act(0.5, "fed"),
    "augmentation.gain_db": Act(0.0, "fed"),
    "augmentation.shift_ms": Act(300, "fed"),
    "augmentation.speed_probability": Act(1.0, "fed"),
    "augmentation.speed_percent": Act(20.0, "fed", {"augmentation": {"speed_probability": 1.0}}),
    "augmentation.background_probability": Act(0.0, "fed"),
    "augmentation.backgrounds_most": Act(3, "fed"),
    "augmentation.snr_low_db": Act(-5.0, "fed"),
    "augmentation.snr_high_db": Act(5.0, "fed"),
    "augmentation.colour_probability": Act(1.0, "fed"),
    "augmentation.colour_slope_low": Act(-1.0, "fed", {"augmentation": {"colour_probability": 1.0}}),
    "augmentation.colour_slope_high": Act(0.0, "fed", {"augmentation": {"colour_probability": 1.0}}),
    "augmentation.rir_probability": Act(0.9, "fed"),
    "augmentation.band_probability": Act(1.0, "fed"),
    "augmentation.band_low_hz": Act(600.0, "fed", {"augmentation": {"band_probability": 1.0}}),
    "augmentation.band_high_hz": Act(2500.0, "fed", {"augmentation": {"band_probability": 1.0}}),
    "augmentation.clip_probability": Act(1.0, "fed"),
    "augmentation.clip_db": Act(24.0, "fed", {"augmentation": {"clip_probability": 1.0}}),
    "augmentation.time_masks": Act(0, "fed"),
    "augmentation.time_mask_ms": Act(600, "fed"),
    "augmentation.frequency_masks": Act(3, "fed"),
    "augmentation.frequency_mask_bands": Act(20, "fed"),
    "augmentation.mixup_probability": Act(1.0, "fed"),
    "augmentation.mixup_alpha": Act(1.0, "fed", {"augmentation": {"mixup_probability": 1.0}}),
    "model.name": Act("bc_resnet", "built", {"model": {"width": 0.5}}),
    "model.width": Act(0.5, "built"),
    "model.dropout": Act(0.5, "optimised"),
    "loss.positive_weight": Act(4.0, "optimised"),
    "loss.label_smoothing": Act(0.2, "optimised"),
    "optimizer.name": Act("sgd", "optimised"),
    "optimizer.learning_rate": Act(0.001, "optimised"),
    "optimizer.schedule": Act("one_cycle", "optimised"),
    "optimizer.weight_decay": Act(1.0, "optimised"),
    "optimizer.warmup_epochs": Act(0.0, "optimised"),
    "optimizer.plateau_factor": Act(0.1, "optimised", ON_PLATEAUS),
    "optimizer.plateau_patience": Act(4, "optimised", ON_PLATEAUS),
    "optimizer.momentum": Act(0.0, "optimised", {"optimizer": {"name": "sgd"}}),
    "optimizer.gradient_clip": Act(0.01, "optimised"),
    "optimizer.ema_decay": Act(0.9, "optimised"),
    "training.start_from": Act(EARLIER, "built"),
    "training.epochs": Act(2, "fed"),
    "training.batch_size": Act(8, "fed"),
    "training.accumulate": Act(2, "optimised"),
    "training.patience": Act(1, "fed", NOT_IMPROVING),
    "training.best_by": Act("miss_rate", "written", NOT_IMPROVING | {"training": {"epochs": 8, "stream_epochs": 7}}),
    "training.false_accepts_per_hour": Act(1000.0, "written"),
    "training.stream_epochs": Act(1, "written", {"training": {"epochs": 2}}),
    "training.checkpoint_minutes": Act(1e-9, "written"),
    "training.seed": Act(1, "built"),
    "training.device": Act("cuda", "machine"),
    "training.threads": Act(2, "machine"),
    "training.precision": Act("bfloat16", "optimised"),
    "training.compile": Act(True, "machine"),
    "training.exact": Act(False, "machine"),
}


def config_of(base: dict[str, dict[str, object]], **changes: object) -> Config:
    """The base of all, the special one above it, and one option by its key above both."""
    document = {group: BASE.get(group, {}) | base.get(group, {}) for group in {*BASE, *base}}
    for key, value in changes.items():
        group, name = key.split(".")
        document[group] = document.get(group, {}) | {name: value}
    return config_file.build(document)


def digest_of(tensors: dict[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for name, tensor in tensors.items():
        found.update(f"{name} {tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    return found.hexdigest()


def written(session: Session) -> list[object]:
    """Rows, the checkpoints that are left, and how many epochs were told."""
    rows = [json.loads(line) for line in session.run.metrics_file.read_bytes().splitlines()]
    return [rows, sorted(path.name for path in session.run.checkpoints.glob("*.pt")), session.journal.progress.epochs]


class Laboratory:
    """Runs tiny trainings in one workspace, each once, and tells what there is to see of every part."""

    def __init__(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workspace, self.fed, self.saved, self.known, self.number = workspace, [], [], {}, 1
        real = epoch.training_batch

        def training_batch(feed, windows, epoch, batch):
            features, positive = real(feed, windows, epoch, batch)
            heard = {"clip": windows.clip, "start": windows.start, "positive": windows.positive}
            tensors = {name: torch.from_numpy(value) for name, value in heard.items()}
            self.fed.append((epoch, batch, digest_of(tensors | {"features": features.cpu()})))
            return features, positive

        commit, compile_model = checkpoints.commit, torch.nn.Module.compile

        def committed(folder, checkpoint, state, facts):
            self.saved.append(checkpoint)
            commit(folder, checkpoint, state, facts)

        monkeypatch.setattr(epoch, "training_batch", training_batch)
        monkeypatch.setattr(checkpoints, "commit", committed)
        # A compiler takes half a minute for the smallest model; this backend traces it as they do and runs it as it is.
        monkeypatch.setattr(torch.nn.Module, "compile", lambda model, options: compile_model(model, backend="eager"))

    def run(self, config: Config, again: bool = False) -> dict[str, object]:
        """What is to be seen of a training by this configuration; `again` runs it anew."""
        key = config_file.dump(config)
        if again or key not in self.known:
            self.known[key] = self._run(config)
        return self.known[key]

    def _run(self, config: Config) -> dict[str, object]:
        run = run_folders.make_run(self.workspace, self.number, epochs=0)
        self.number += 1
        durable.replace_bytes(run.config_file, config_file.dump(config))
        self.fed.clear()
        self.saved.clear()
        session = loop.prepare(self.workspace, run, 1, lambda: None)
        built = digest_of({name: value.cpu().clone() for name, value in session.model.state_dict().items()})
        end = loop.train(session)
        run_folders.end(run, end.state, end.reason)
        last = checkpoints.load(run.checkpoints, checkpoints.name(session.journal.progress.epoch))["model"]
        rows = written(session)
        losses = [row["loss"] for row in rows[0] if row["kind"] == "step"]
        exact, compiled = torch.are_deterministic_algorithms_enabled(), session.model._compiled_call_impl is not None
        device = (
            session.journal.progress.device,
            next(session.model.parameters()).device.type,
            torch.get_num_threads(),
        )
        return {
            "machine": (*device, exact, compiled), "built": built, "fed": tuple(self.fed),
            "optimised": (losses, digest_of(last)), "written": (rows, end.reason, tuple(self.saved)),
        }  # fmt: skip


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory) -> Iterator[Laboratory]:
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = Laboratory(
            make_workspace(tmp_path_factory.mktemp("workspace"), hard_negatives=4, streams=3), monkeypatch
        )
        found.run(config_of({}))  # the earlier run that one option needs
        yield found
    torch.set_num_threads(threads)


def test_the_table_has_a_true_alternative_for_every_option():
    assert list(ACTS) == [option.key for option in options()]
    for key, act in ACTS.items():
        changed, base = config_of(act.base, **{key: act.value}), config_of(act.base)
        assert changed != base and act.first in PARTS, key


def test_changing_nothing_changes_nothing(laboratory: Laboratory):
    for base in ({}, MINING):
        assert laboratory.run(config_of(base)) == laboratory.run(config_of(base), again=True)


@pytest.mark.parametrize("key", ACTS)
def test_an_option_acts_where_it_should_and_not_before(laboratory: Laboratory, key: str):
    act = ACTS[key]
    changed = config_of(act.base, **{key: act.value})
    if key == "training.device":
        with pytest.raises(
            ValueError, match=r"^training\.device is cuda, but no GPU was found\. Choose auto or cpu\.$"
        ):
            laboratory.run(changed)
        return
    before, after = laboratory.run(config_of(act.base)), laboratory.run(changed)
    differing = [part for part in PARTS if before[part] != after[part]]
    assert differing and differing[0] == act.first, differing
    assert len(differing) > 1 or act.first in ("machine", "written"), (
        "what is built, fed and optimised is seen in what is written"
    )
