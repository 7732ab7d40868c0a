"""Checkpoints: a file of tensors, committed by the JSON document beside it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainer import durable
from trainer.documents import Best

KEPT = 2
"""How many of the newest are kept besides the best: were the last one damaged, there is one before it."""


def name(epoch: int) -> str:
    return f"epoch-{epoch:05d}.pt"


def _mark(folder: Path, checkpoint: str) -> Path:
    return folder / f"{checkpoint}.json"


def commit(
    folder: Path, epoch: int, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, extra: dict[str, Any],
    pool: dict[str, Tensor] | None = None,
) -> str:  # fmt: skip
    """Write one checkpoint and then its mark; without the mark it does not count. Returns its file name.

    `extra` goes into the mark (metrics offset, best so far), `pool` is what mining found last. Order and augmentation
    need no state: they are functions of (seed, epoch, batch) and the pool. Raises OSError.
    """
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch, "step": step}
    torch.save(state | {"pool": pool}, buffer)
    data = buffer.getvalue()
    durable.replace_bytes(folder / name(epoch), data)
    facts = {"epoch": epoch, "step": step, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    durable.replace_json(_mark(folder, name(epoch)), facts | extra)
    return name(epoch)


def mark_best(folder: Path, best: Best) -> None:
    durable.replace_json(folder / "best.json", best.model_dump())


def prune(folder: Path, best: Best | None) -> None:
    """Remove what is neither the best nor among the newest; the mark goes first, so a half-removed one is none."""
    marks = sorted(folder.glob("epoch-*.pt.json"))
    for mark in marks[:-KEPT]:
        data = mark.with_suffix("")
        if best is None or data.name != best.checkpoint:
            mark.unlink()
            data.unlink()


def load(folder: Path, checkpoint: str) -> dict[str, Any]:
    """The tensors of a committed checkpoint, on the CPU. Raises ValueError when it is not what was committed."""
    facts = durable.read_json(_mark(folder, checkpoint))
    data = (folder / checkpoint).read_bytes()
    if not isinstance(facts, dict) or facts.get("sha256") != hashlib.sha256(data).hexdigest():
        raise ValueError(
            f"Checkpoint {folder / checkpoint} is damaged: it does not match the digest it was saved with."
        )
    state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return state
