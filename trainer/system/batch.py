"""Work on several items that goes on past those that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """An item that could not be worked on: `item` as the user named it, and one sentence that says why."""

    item: str
    message: str

    def __str__(self) -> str:
        return f"{self.item}: {self.message}"


def attempt(item: str, work: Callable[[], Result]) -> Result | Failure:
    """What the work returns, or the failure when its input is bad (ValueError, OSError). Other errors are raised."""
    try:
        return work()
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        return Failure(item, reason or str(error))
    except ValueError as error:
        return Failure(item, str(error))
