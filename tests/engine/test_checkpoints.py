"""A checkpoint is what was committed, or it is refused."""

import pytest
import torch

from trainer.config import Config, Optimizer
from trainer.documents import Best
from trainer.engine import checkpoints, objective
from trainer.engine.models import factory


def save(folder, epoch: int) -> torch.nn.Module:
    torch.manual_seed(epoch)
    model = factory.build(Config())
    checkpoints.commit(folder, epoch, epoch * 10, model, objective.make_optimizer(model, Optimizer()), {"best": None})
    return model


def test_a_checkpoint_reads_back_bit_by_bit(tmp_path):
    model = save(tmp_path / "c", 3)
    state = checkpoints.load(tmp_path / "c", checkpoints.name(3))
    assert (state["epoch"], state["step"]) == (3, 30)
    assert all(torch.equal(state["model"][name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("damage", ["flip", "cut", "unmarked"])
def test_a_damaged_or_uncommitted_one_is_refused(tmp_path, damage: str):
    save(tmp_path, 1)
    path = tmp_path / checkpoints.name(1)
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(data[:-100])
    else:
        (tmp_path / f"{path.name}.json").unlink()
    with pytest.raises(ValueError, match="is damaged"):
        checkpoints.load(tmp_path, path.name)


def test_the_best_and_the_newest_are_kept(tmp_path):
    best = Best(epoch=2, val_loss=0.1, val_accuracy=1.0, checkpoint=checkpoints.name(2))
    for epoch in range(1, 7):
        save(tmp_path, epoch)
        checkpoints.prune(tmp_path, best)
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == [checkpoints.name(epoch) for epoch in (2, 5, 6)]
    assert len(list(tmp_path.glob("*.pt.json"))) == 3
