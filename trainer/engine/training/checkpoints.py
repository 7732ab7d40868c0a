"""Checkpoints: a file of tensors, committed by the JSON document beside it."""

from __future__ import annotations

import hashlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from trainer.run.documents import Best
from trainer.system import durable, regular_file
from trainer.system.log_lines import say

KEPT = 2
"""How many of the newest are kept besides the best: were the last one damaged, there is one before it."""


def name(epoch: int) -> str:
    """The checkpoint after an epoch (1, 2, ...)."""
    return f"epoch-{epoch:05d}.pt"


def name_within(epoch: int, batch: int) -> str:
    """The checkpoint after this many batches of an epoch; it sorts before the one after that epoch."""
    return f"epoch-{epoch:05d}-batch-{batch:07d}.pt"


def _mark(folder: Path, checkpoint: str) -> Path:
    return folder / f"{checkpoint}.json"


def _marks(folder: Path) -> list[Path]:
    """The marks of all committed checkpoints, oldest first."""
    return sorted(folder.glob("epoch-*.pt.json"))


def _canonical(value: Any) -> Any:  # noqa: ANN401 - whatever a state holds
    """The same content in the same bytes, wherever it came from.

    Pickle writes down which strings and storages are one object and which are merely equal, and in which order a
    dictionary was filled; both differ between a state that has grown and one that was loaded.
    """
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        parts = sorted(value.items(), key=lambda item: str(item[0]))
        return {_canonical(key): _canonical(part) for key, part in parts}
    if isinstance(value, (list, tuple)):
        return type(value)([_canonical(part) for part in value])
    return sys.intern(value) if isinstance(value, str) else value


def commit(folder: Path, checkpoint: str, state: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write one checkpoint and then its mark, which holds `facts`; without the mark it does not count. Raises OSError.

    `state["model"]` is the model as it is validated and used. Equal states make equal files.
    """
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    torch.save(_canonical(state), buffer)
    data = buffer.getvalue()
    durable.replace_bytes(folder / checkpoint, data)
    sealed = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    durable.replace_json(_mark(folder, checkpoint), facts | sealed)


def mark_best(folder: Path, best: Best | None) -> None:
    """Tell which checkpoint holds the best model; None takes that back."""
    if best is None:
        (folder / "best.json").unlink(missing_ok=True)
    else:
        durable.replace_json(folder / "best.json", best.model_dump())


def prune(folder: Path) -> None:
    """Keep the newest after an epoch, one within an epoch that is newer, and the best model by each of these.

    The mark goes first, so a half-removed one is none.
    """
    marks = _marks(folder)
    after = [mark for mark in marks if "-batch-" not in mark.name]
    kept = {*after[-KEPT:], *marks[-1:]}
    kept |= {_mark(folder, best) for mark in kept if (best := _best_of(mark))}
    for mark in marks:
        if mark not in kept:
            mark.unlink()
            mark.with_suffix("").unlink(missing_ok=True)


def _best_of(mark: Path) -> str | None:
    """The file name of the best model when this checkpoint was written."""
    facts = durable.read_json(mark)
    try:
        return Best.model_validate(facts.get("best")).checkpoint if isinstance(facts, dict) else None
    except ValidationError:  # there was none yet, or the mark is another's
        return None


def load(folder: Path, checkpoint: str) -> dict[str, Any]:
    """The tensors of a committed checkpoint, on the CPU. Raises ValueError when it is not what was committed, or holds
    anything but tensors and plain values; FileNotFoundError."""
    path = folder / checkpoint
    facts = durable.read_json(_mark(folder, checkpoint))
    if path.is_symlink():
        raise ValueError(f"Checkpoint {path} is a link; links are not followed.")
    data = regular_file.read_bytes(path)
    if not isinstance(facts, dict) or facts.get("sha256") != hashlib.sha256(data).hexdigest():
        raise ValueError(f"Checkpoint {path} is damaged: it does not match the digest it was saved with.")
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the reader of pickles and of zips raises whatever the bytes make of it
        reason = f"it cannot be read ({type(error).__name__})"
        raise ValueError(f"Checkpoint {path} is not a checkpoint of this application: {reason}.") from None
    if not isinstance(state, dict) or not isinstance(state.get("model"), dict):
        raise ValueError(f"Checkpoint {path} is not a checkpoint of this application: it holds no model.")
    return state


def load_into(network: nn.Module, folder: Path, checkpoint: str) -> None:
    """Give a network the weights of a checkpoint. Raises ValueError as `load`, and when they are those of another."""
    fill(network, load(folder, checkpoint)["model"], folder / checkpoint)


def fill(network: nn.Module, weights: dict[str, Any], path: Path) -> None:
    """Give a network these weights, which a checkpoint holds. Raises ValueError when they do not fit."""
    try:
        network.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError, ValueError) as error:
        first = (str(error).splitlines() or [""])[-1].strip()
        raise ValueError(f"Checkpoint {path} does not fit the model of the configuration ({first:.200}).") from None


@dataclass(frozen=True)
class Saved:
    """A sound checkpoint: its file name, its state and the facts of its mark."""

    checkpoint: str
    state: dict[str, Any]
    facts: dict[str, Any]


def newest(folder: Path, network: nn.Module | None = None) -> Saved | None:
    """The newest sound checkpoint, whose weights fit the network, which then has them; None when there is none. One
    that is damaged, or not of this run, is told in the log."""
    for mark in reversed(_marks(folder)):
        checkpoint = mark.with_suffix("").name
        try:
            state = load(folder, checkpoint)
            if network:
                fill(network, state["model"], folder / checkpoint)
        except (ValueError, OSError) as error:
            say(f"Using the previous checkpoint: {error}")
            continue
        facts = durable.read_json(mark)
        if isinstance(facts, dict):  # it is, as `load` has found the digest in it
            return Saved(checkpoint, state, facts)
    return None


def clear(folder: Path, last: str | None) -> None:
    """Remove what no resume will use: parts of files, checkpoints without a mark, and all after `last`, the
    checkpoint to go on from."""
    for path in folder.glob("*.tmp.*"):
        path.unlink()
    for mark in _marks(folder):
        if last is None or mark.with_suffix("").name > last:
            mark.unlink()
    for data in folder.glob("epoch-*.pt"):
        if not _mark(folder, data.name).exists():
            data.unlink()
