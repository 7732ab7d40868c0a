"""A checkpoint is what was committed, or it is refused."""

import hashlib
import io

import pytest
import torch

from trainer.config.schema import Config
from trainer.engine.models import factory
from trainer.engine.training import checkpoints
from trainer.run.documents import Best
from trainer.system import durable


def save(folder, epoch: int, batch: int = 0, best: int = 0) -> torch.nn.Module:
    torch.manual_seed(epoch)
    model = factory.build(Config())
    facts = {"epoch": epoch, "best": best_of(best) and best_of(best).model_dump()}
    name = checkpoints.name_mid_epoch(epoch, batch) if batch else checkpoints.name(epoch)
    checkpoints.commit(folder, name, {"model": model.state_dict(), "epoch": epoch}, facts)
    return model


def best_of(epoch: int) -> Best | None:
    return Best(epoch=epoch, val_loss=0.1, val_accuracy=1.0, checkpoint=checkpoints.name(epoch)) if epoch else None


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def with_marks(*checkpoint: str) -> list[str]:
    return sorted([*checkpoint, *(f"{one}.json" for one in checkpoint)])


def test_a_checkpoint_reads_back_bit_by_bit(tmp_path):
    model = save(tmp_path / "c", 3)
    state = checkpoints.load(tmp_path / "c", checkpoints.name(3))
    assert state["epoch"] == 3
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


def test_the_newest_are_kept_and_the_best_by_each_of_them(tmp_path):
    for epoch, best in ((1, 1), (2, 2), (3, 2), (4, 2), (5, 5)):
        save(tmp_path, epoch, best=best)
        checkpoints.prune(tmp_path)
    kept = [checkpoints.name(epoch) for epoch in (2, 4, 5)]
    assert names(tmp_path) == with_marks(*kept), "were 5 damaged, 4 would be the newest and 2 the best"
    save(tmp_path, 6, best=5)
    checkpoints.prune(tmp_path)
    assert names(tmp_path) == with_marks(*(checkpoints.name(epoch) for epoch in (5, 6)))


def test_one_within_an_epoch_is_kept_until_that_epoch_is_done(tmp_path):
    for epoch, batch in ((1, 0), (2, 5), (2, 9)):
        save(tmp_path, epoch, batch)
        checkpoints.prune(tmp_path)
    assert names(tmp_path) == with_marks(checkpoints.name(1), checkpoints.name_mid_epoch(2, 9))
    assert checkpoints.newest(tmp_path).checkpoint == checkpoints.name_mid_epoch(2, 9)
    save(tmp_path, 2)
    checkpoints.prune(tmp_path)
    assert names(tmp_path) == with_marks(checkpoints.name(1), checkpoints.name(2))


def test_the_newest_is_the_newest_that_is_sound_and_what_is_none_is_cleared(tmp_path, capsys):
    for epoch in (1, 2, 3):
        save(tmp_path, epoch)
    save(tmp_path, 3, batch=2)
    (tmp_path / f"{checkpoints.name(3)}.json").unlink()
    damaged = tmp_path / checkpoints.name_mid_epoch(3, 2)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (tmp_path / "epoch-00004.pt.tmp.12.ab").touch()
    found = checkpoints.newest(tmp_path)
    assert (found.checkpoint, found.facts["epoch"], found.contents["epoch"]) == (checkpoints.name(2), 2, 2)
    assert "Using the previous checkpoint" in capsys.readouterr().out
    checkpoints.clear(tmp_path, found.checkpoint)
    assert names(tmp_path) == with_marks(checkpoints.name(1), checkpoints.name(2))
    checkpoints.clear(tmp_path, None)
    assert checkpoints.newest(tmp_path) is None and names(tmp_path) == []


def seal(folder, checkpoint: str, data: bytes) -> None:
    """A mark that vouches for these bytes, as a stranger could write it."""
    folder.mkdir(exist_ok=True)
    (folder / checkpoint).write_bytes(data)
    mark = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    durable.replace_json(folder / f"{checkpoint}.json", mark)


def saved(state: object) -> bytes:
    torch.save(state, out := io.BytesIO())
    return out.getvalue()


FOREIGN = {
    "no zip": b"no checkpoint",
    "empty": b"",
    "half a zip": saved({"model": {}})[:-50],
    "a list": saved([1, 2]),
    "no model": saved({"weights": {}}),
    "another model": saved({"model": {"layer.weight": torch.zeros(3)}}),
    "no tensors": saved({"model": {"layer.weight": "text"}}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_checkpoint_is_one_sentence_and_the_one_before_it_is_taken(kind, tmp_path, capsys):
    model = save(tmp_path, 1)
    seal(tmp_path, checkpoints.name(2), FOREIGN[kind])
    network = factory.build(Config())
    with pytest.raises(
        ValueError, match=r"^Checkpoint \S+epoch-00002\.pt (is not a checkpoint of this|does not fit the model)"
    ) as refused:
        checkpoints.load_into(network, tmp_path, checkpoints.name(2))
    assert "\n" not in str(refused.value)
    assert checkpoints.newest(tmp_path, network).checkpoint == checkpoints.name(1)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in model.state_dict().items())
    assert "Using the previous checkpoint" in capsys.readouterr().out


@pytest.mark.parametrize(
    "place", ["../epoch-00001.pt", "/etc/passwd", "a/epoch-00001.pt", "epoch-00001.pt\n", "best.json"]
)
def test_the_best_model_is_a_checkpoint_and_no_path(place, tmp_path):
    best = {"epoch": 1, "val_loss": 0.1, "val_accuracy": 1.0, "checkpoint": place}
    durable.replace_json(tmp_path / "best.json", best)
    assert durable.read_document(Best, tmp_path / "best.json") is None
    save(tmp_path, 1)
    durable.replace_json(tmp_path / "epoch-00001.pt.json", {"best": best})
    checkpoints.prune(tmp_path)


def test_a_link_is_no_checkpoint(tmp_path):
    save(tmp_path / "other", 1)
    (tmp_path / "c").mkdir()
    for name in ("epoch-00001.pt", "epoch-00001.pt.json"):
        (tmp_path / "c" / name).symlink_to(tmp_path / "other" / name)
    with pytest.raises(ValueError, match="is a link"):
        checkpoints.load(tmp_path / "c", "epoch-00001.pt")
