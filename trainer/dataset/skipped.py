"""Files that an import left where they were, each with its reason, and how that is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from trainer.system.counted import counted
from trainer.system.workspace import LABELS

Reason = Literal["no_label", "kind", "hidden", "link", "not_a_file", "unreadable"]
WHY: dict[Reason, str] = {
    "no_label": f"in no folder named after a label ({', '.join(LABELS)})",
    "kind": "of a kind that is not read",
    "hidden": "hidden",
    "link": "a link, which is not followed",
    "not_a_file": "no regular file",
    "unreadable": "in a folder that cannot be opened",
}
MOST_KINDS = 5


@dataclass(frozen=True)
class Skipped:
    """A file, or a folder as a whole, by the path that its user knows."""

    path: str
    reason: Reason


def skip_documents(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    """What was skipped, for scripts."""
    return [{"path": each.path, "reason": each.reason, "message": f"It is {WHY[each.reason]}."} for each in skipped]


def skip_summary(skipped: Sequence[Skipped]) -> str:
    """How many were skipped for which reason, with an example of each; empty when none was."""
    if not skipped:
        return ""
    counts = {reason: sum(each.reason == reason for each in skipped) for reason in WHY}
    told = [f"{count:,} {WHY[reason]} ({_example(skipped, reason)})" for reason, count in counts.items() if count]
    return f"{counted(len(skipped), 'file')} skipped: {', '.join(told)}."


def _example(skipped: Sequence[Skipped], reason: Reason) -> str:
    paths = [each.path for each in skipped if each.reason == reason]
    if reason != "kind":
        return paths[0]
    kinds = list(dict.fromkeys(PurePosixPath(path).suffix.lower() or PurePosixPath(path).name for path in paths))
    return ", ".join(kinds[:MOST_KINDS]) + (" and others" if kinds[MOST_KINDS:] else "")
