"""JSON documents with a pydantic model, read from files."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from trainer.system import durable, regular_file

Document = TypeVar("Document", bound=BaseModel)


def read_document(kind: type[Document], path: Path) -> Document | None:
    """The document in `path`; None when the file is missing or holds something else."""
    try:
        return kind.model_validate(durable.read_json(path))
    except ValidationError:
        return None


def is_damaged(kind: type[BaseModel], path: Path) -> bool:
    """Whether `path` is there and holds something else than the document: half of it, or bytes of another file."""
    try:
        data = regular_file.read_bytes(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        kind.model_validate_json(data)
    except ValidationError:
        return True
    return False
