"""Saved configurations, files in configs/: save without overwriting, rename, duplicate, move to the trash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from trainer.config import config_file
from trainer.config.config_file import NAME, ConfigError, Problem
from trainer.config.schema import Config
from trainer.system import durable, processes, regular_file
from trainer.system.workspace import Workspace

ABSENT = ""
"""The digest of a file that does not exist."""
_TRASHED = re.compile(r"(\d{8}-\d{6}-\d{6}) (.+)")


def names(workspace: Workspace) -> list[str]:
    """Names of the saved configurations, last saved first."""
    return [path.stem for path in durable.newest_first(workspace.configs.glob("*.yaml"))]


def path_of(workspace: Workspace, name: str) -> Path:
    """The file of the configuration `name`. Raises ConfigError for an invalid name."""
    if not NAME.fullmatch(name):
        message = f"{name!r:.80} is not a valid name; use up to 64 letters (a to z), digits, spaces, dots, - or _."
        raise ConfigError([Problem("", message)])
    return workspace.configs / f"{name}.yaml"


def digest(workspace: Workspace, name: str) -> str:
    """The digest of the file of the configuration `name`; ABSENT when there is none."""
    try:
        return hashlib.sha256(regular_file.read_bytes(path_of(workspace, name))).hexdigest()
    except (OSError, ConfigError):
        return ABSENT


@contextmanager
def _locked(workspace: Workspace) -> Iterator[None]:
    """One change at a time, across all tabs and servers."""
    workspace.configs.mkdir(parents=True, exist_ok=True)
    with processes.exclusive_lock(workspace.configs / ".lock"):
        yield


def digest_of(config: Config) -> str:
    """The digest of the file to which this configuration is saved."""
    return hashlib.sha256(config_file.dump(config)).hexdigest()


def save(workspace: Workspace, name: str, config: Config, seen: str | None = None) -> Path:
    """Save under `name` if the present file has the digest `seen` or is absent; None replaces any file.

    Raises ValueError when the file was changed or created elsewhere, ConfigError for an invalid name, OSError.
    """
    path = path_of(workspace, name)
    with _locked(workspace):
        if seen is not None and digest(workspace, name) not in (seen, ABSENT):
            raise ValueError(_changed_elsewhere(name) if seen else _exists(name))
        durable.replace_bytes(path, config_file.dump(config))
    return path


def _exists(name: str) -> str:
    return f"A configuration “{name}” already exists. Choose another name, or select “Replace existing file”."


def _changed_elsewhere(name: str) -> str:
    return (
        f"“{name}” has changed since it was opened here, in another tab or by hand. Save under another name, load it "
        "again, or select “Replace existing file”."
    )


def rename(workspace: Workspace, name: str, new: str) -> None:
    """Rename a configuration. Raises ValueError, FileNotFoundError, OSError."""
    with _to_free_name(workspace, name, new) as (source, target):
        source.rename(target)
        durable.sync_folder(workspace.configs)


def duplicate(workspace: Workspace, name: str, new: str) -> None:
    """Copy the file of a configuration to another name. Raises ValueError, FileNotFoundError, OSError."""
    with _to_free_name(workspace, name, new) as (source, target):
        durable.replace_bytes(target, regular_file.read_bytes(source))


@contextmanager
def _to_free_name(workspace: Workspace, name: str, new: str) -> Iterator[tuple[Path, Path]]:
    """The existing file of `name` and the free path of `new`, locked. Raises ValueError, FileNotFoundError."""
    source, target = _existing(workspace, name), path_of(workspace, new)
    with _locked(workspace):
        if target.exists():
            raise ValueError(f"A configuration “{new}” already exists. Choose another name.")
        yield source, target


def _existing(workspace: Workspace, name: str) -> Path:
    path = path_of(workspace, name)
    if not path.is_file():
        raise FileNotFoundError(f"The configuration “{name}” no longer exists; it was renamed or deleted elsewhere.")
    return path


def delete(workspace: Workspace, name: str) -> str:
    """Move a configuration to the trash; returns its name there. Raises FileNotFoundError, OSError."""
    path = _existing(workspace, name)
    with _locked(workspace):
        workspace.trashed_configs.mkdir(exist_ok=True)
        trashed = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f} {name}"
        path.rename(workspace.trashed_configs / f"{trashed}.yaml")
        durable.sync_folder(workspace.configs)
    return trashed


def trash(workspace: Workspace) -> list[str]:
    """Configurations in the trash, newest first, by time of deletion and name."""
    stems = (path.stem for path in workspace.trashed_configs.glob("*.yaml"))
    return sorted((stem for stem in stems if _TRASHED.fullmatch(stem)), reverse=True)


def restore(workspace: Workspace, trashed: str) -> str:
    """Restore a configuration under its name, with a number if that is taken; returns the name.

    Raises FileNotFoundError, OSError.
    """
    match = _TRASHED.fullmatch(trashed)
    path = workspace.trashed_configs / f"{trashed}.yaml"
    if not match or "/" in trashed or not path.is_file():
        raise FileNotFoundError(f"“{trashed}” is no longer in the trash.")
    with _locked(workspace):
        name = free_name(workspace, match[2])
        path.rename(path_of(workspace, name))
        durable.sync_folder(workspace.configs)
    return name


def free_name(workspace: Workspace, name: str) -> str:
    """`name`, with the first free number appended if it is taken."""
    taken, base = set(names(workspace)), name[:58].rstrip(" .")
    candidates = [name, *(f"{base}-{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate not in taken)
