"""The user's configurations as files in configs/: save without overwriting, rename, duplicate, move to the trash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.system import durable, processes, regular_file
from trainer.system.workspace import Workspace

ABSENT = ""
"""The digest of a file that does not exist."""
_TRASHED = re.compile(r"(\d{8}-\d{6}-\d{6}) (.+)")


def digest(workspace: Workspace, name: str) -> str:
    """Names the content that the configuration `name` has now; ABSENT when there is none."""
    try:
        return hashlib.sha256(regular_file.read_bytes(config_file.saved_path(workspace, name))).hexdigest()
    except (OSError, config_file.ConfigError):
        return ABSENT


@contextmanager
def _locked(workspace: Workspace) -> Iterator[None]:
    """One change at a time, whichever tab or server it comes from."""
    workspace.configs.mkdir(parents=True, exist_ok=True)
    with processes.exclusive_lock(workspace.configs / ".lock"):
        yield


def digest_of(config: Config) -> str:
    """The digest of the file that this configuration is saved as."""
    return hashlib.sha256(config_file.dump(config)).hexdigest()


def save(workspace: Workspace, name: str, config: Config, seen: str | None) -> Path:
    """Save under `name` if the file still has the content with digest `seen`; None saves whatever it holds.

    Raises ValueError when somebody else has changed or made it meanwhile, ConfigError for a bad name, OSError.
    """
    with _locked(workspace):
        now = digest(workspace, name)
        if seen is not None and now not in (seen, ABSENT):
            raise ValueError(_changed_elsewhere(name) if seen else _exists(name))
        return config_file.save(workspace, name, config)


def _exists(name: str) -> str:
    return f"A configuration “{name}” already exists. Choose another name, or select “Replace existing file”."


def _changed_elsewhere(name: str) -> str:
    return (
        f"“{name}” has changed since it was opened here, in another tab or by hand. Save under another name, load it "
        "again, or select “Replace existing file”."
    )


def rename(workspace: Workspace, name: str, new: str) -> None:
    """Give a configuration another name. Raises ValueError, FileNotFoundError, OSError."""
    source, target = _existing(workspace, name), config_file.saved_path(workspace, new)
    with _locked(workspace):
        if target.exists():
            raise ValueError(f"A configuration “{new}” already exists. Choose another name.")
        source.rename(target)
        durable.sync_folder(workspace.configs)


def duplicate(workspace: Workspace, name: str, new: str) -> None:
    """Copy a configuration, as its file is, to another name. Raises ValueError, FileNotFoundError, OSError."""
    source, target = _existing(workspace, name), config_file.saved_path(workspace, new)
    with _locked(workspace):
        if target.exists():
            raise ValueError(f"A configuration “{new}” already exists. Choose another name.")
        durable.replace_bytes(target, regular_file.read_bytes(source))


def _existing(workspace: Workspace, name: str) -> Path:
    path = config_file.saved_path(workspace, name)
    if not path.is_file():
        raise FileNotFoundError(f"The configuration “{name}” no longer exists; it was renamed or deleted elsewhere.")
    return path


def delete(workspace: Workspace, name: str) -> str:
    """Move a configuration to the trash; returns what it is called there. Raises FileNotFoundError, OSError."""
    path = _existing(workspace, name)
    with _locked(workspace):
        workspace.trashed_configs.mkdir(exist_ok=True)
        trashed = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f} {name}"
        path.rename(workspace.trashed_configs / f"{trashed}.yaml")
        durable.sync_folder(workspace.configs)
    return trashed


def trash(workspace: Workspace) -> list[str]:
    """What lies in the trash, the newest first: time of deletion and name."""
    found = (path.stem for path in workspace.trashed_configs.glob("*.yaml"))
    return sorted((name for name in found if _TRASHED.fullmatch(name)), reverse=True)


def restore(workspace: Workspace, trashed: str) -> str:
    """Bring a configuration back under its name, or under one with a number where that is taken; returns the name.

    Raises FileNotFoundError, OSError.
    """
    found = _TRASHED.fullmatch(trashed)
    path = workspace.trashed_configs / f"{trashed}.yaml"
    if not found or "/" in trashed or not path.is_file():
        raise FileNotFoundError(f"“{trashed}” is no longer in the trash.")
    with _locked(workspace):
        name = free_name(workspace, found[2])
        path.rename(config_file.saved_path(workspace, name))
        durable.sync_folder(workspace.configs)
    return name


def free_name(workspace: Workspace, name: str) -> str:
    """`name`, or with the first number behind it that no configuration has yet."""
    taken, base = set(config_file.saved(workspace)), name[:58].rstrip(" .")
    candidates = [name, *(f"{base}-{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate not in taken)
