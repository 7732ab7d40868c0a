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

NEWEST_KEPT = 2
"""How many of the newest checkpoints are kept besides the best: a damaged one has a predecessor."""


def name(epoch: int) -> str:
    """The checkpoint after an epoch (1, 2, ...)."""
    return f"epoch-{epoch:05d}.pt"


def name_mid_epoch(epoch: int, batch: int) -> str:
    """The checkpoint after this many batches of an epoch; it sorts before the one after that epoch."""
    return f"epoch-{epoch:05d}-batch-{batch:07d}.pt"


def _mark(folder: Path, checkpoint: str) -> Path:
    return folder / f"{checkpoint}.json"


def _marks(folder: Path) -> list[Path]:
    """The marks of all committed checkpoints, oldest first."""
    return sorted(folder.glob("epoch-*.pt.json"))


def _canonical(value: Any) -> Any:  # noqa: ANN401 - any value of a state
    """A copy that always pickles to the same bytes.

    Pickle stores which strings and storages are identical rather than equal, and the order of dictionaries; both differ
    between a state that was trained and one that was loaded.
    """
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        parts = sorted(value.items(), key=lambda item: str(item[0]))
        return {_canonical(key): _canonical(part) for key, part in parts}
    if isinstance(value, (list, tuple)):
        return type(value)([_canonical(part) for part in value])
    return sys.intern(value) if isinstance(value, str) else value


def commit(folder: Path, checkpoint: str, contents: dict[str, Any], facts: dict[str, Any]) -> None:
    """Write a checkpoint and then its mark, which holds `facts`; without a mark it is ignored. Raises OSError.

    `contents["model"]` holds the weights of the model that is evaluated. Equal contents make equal files.
    """
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    torch.save(_canonical(contents), buffer)
    data = buffer.getvalue()
    durable.replace_bytes(folder / checkpoint, data)
    sealed = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    durable.replace_json(_mark(folder, checkpoint), facts | sealed)


def mark_best(folder: Path, best: Best | None) -> None:
    """Write which checkpoint holds the best model; None removes the file."""
    if best is None:
        (folder / "best.json").unlink(missing_ok=True)
    else:
        durable.replace_json(folder / "best.json", best.model_dump())


def prune(folder: Path) -> None:
    """Keep the newest checkpoints after an epoch, a newer one within an epoch, and the best model of each of these.

    The mark is removed first, so that an interrupted removal leaves no checkpoint.
    """
    marks = _marks(folder)
    after = [mark for mark in marks if "-batch-" not in mark.name]
    needed = {*after[-NEWEST_KEPT:], *marks[-1:]}
    needed |= {_mark(folder, best) for mark in needed if (best := _best_of(mark))}
    for mark in marks:
        if mark not in needed:
            mark.unlink()
            mark.with_suffix("").unlink(missing_ok=True)


def _best_of(mark: Path) -> str | None:
    """The file name of the best model when this checkpoint was written."""
    facts = durable.read_json(mark)
    try:
        return Best.model_validate(facts.get("best")).checkpoint if isinstance(facts, dict) else None
    except ValidationError:  # no best model yet, or a mark of another version
        return None


def load(folder: Path, checkpoint: str) -> dict[str, Any]:
    """The contents of a committed checkpoint, with tensors on the CPU.

    Raises ValueError when it differs from what was committed or holds anything but tensors and plain values, and
    FileNotFoundError.
    """
    path = folder / checkpoint
    facts = durable.read_json(_mark(folder, checkpoint))
    if path.is_symlink():
        raise ValueError(f"Checkpoint {path} is a link; links are not followed.")
    data = regular_file.read_bytes(path)
    if not isinstance(facts, dict) or facts.get("sha256") != hashlib.sha256(data).hexdigest():
        raise ValueError(f"Checkpoint {path} is damaged: it does not match the digest it was saved with.")
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the readers of pickles and zips raise many types
        reason = f"it cannot be read ({type(error).__name__})"
        raise ValueError(f"Checkpoint {path} is not a checkpoint of this application: {reason}.") from None
    if not isinstance(state, dict) or not isinstance(state.get("model"), dict):
        raise ValueError(f"Checkpoint {path} is not a checkpoint of this application: it holds no model.")
    return state


def load_into(network: nn.Module, folder: Path, checkpoint: str) -> None:
    """Load the weights of a checkpoint into a network. Raises ValueError as `load`, and when they do not fit."""
    load_weights(network, load(folder, checkpoint)["model"], folder / checkpoint)


def load_weights(network: nn.Module, weights: dict[str, Any], path: Path) -> None:
    """Load the weights of the checkpoint at `path` into a network. Raises ValueError when they do not fit."""
    try:
        network.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError, ValueError) as error:
        first = (str(error).splitlines() or [""])[-1].strip()
        raise ValueError(f"Checkpoint {path} does not fit the model of the configuration ({first:.200}).") from None


@dataclass(frozen=True)
class Saved:
    """A valid checkpoint: its file name, its contents and the facts of its mark."""

    checkpoint: str
    contents: dict[str, Any]
    facts: dict[str, Any]


def newest(folder: Path, network: nn.Module | None = None) -> Saved | None:
    """The newest valid checkpoint, or None; its weights are loaded into `network`, if given.

    A checkpoint that is damaged or does not fit is logged and skipped.
    """
    for mark in reversed(_marks(folder)):
        checkpoint = mark.with_suffix("").name
        try:
            contents = load(folder, checkpoint)
            if network:
                load_weights(network, contents["model"], folder / checkpoint)
        except (ValueError, OSError) as error:
            say(f"Using the previous checkpoint: {error}")
            continue
        facts = durable.read_json(mark)
        if isinstance(facts, dict):  # always: `load` has read its digest
            return Saved(checkpoint, contents, facts)
    return None


def clear(folder: Path, last: str | None) -> None:
    """Remove what no resume uses: unfinished files, checkpoints without a mark, and those after `last`, the checkpoint
    to resume from."""
    for path in folder.glob("*.tmp.*"):
        path.unlink()
    for mark in _marks(folder):
        if last is None or mark.with_suffix("").name > last:
            mark.unlink()
    for data in folder.glob("epoch-*.pt"):
        if not _mark(folder, data.name).exists():
            data.unlink()
