"""The notes on a run: name, tags, text, star, and whether it is archived."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.run.documents import Notes
from trainer.run.runs import Run
from trainer.system import durable, processes

LONGEST_NAME, LONGEST_TAG, LONGEST_NOTE = 200, 40, 20_000


def read(run: Run) -> Notes:
    """The notes of a run; empty when there are none or the file is damaged."""
    return durable.read_document(Notes, run.notes_file) or Notes()


def change(run: Run, add: Sequence[str] = (), remove: Sequence[str] = (), **changes: object) -> Notes:
    """Write notes with tags added and removed, these fields of `Notes` changed, and the rest as it is; returns them.

    Simultaneous changes are applied one after the other, so none is lost. Raises ValueError when a text is too
    long, the run is gone, or its notes.json holds something else, which would be lost; OSError.
    """
    gone = {_one_line(tag).casefold() for tag in remove}
    try:
        with processes.exclusive_lock(run.folder / ".notes.lock"):
            if durable.is_damaged(Notes, run.notes_file):
                raise ValueError(
                    f"{run.notes_file} cannot be read. Repair it by hand, or delete it to start with empty notes."
                )
            new = Notes.model_validate(read(run).model_dump() | changes)
            tags = [tag for tag in map(_one_line, (*new.tags, *add)) if tag.casefold() not in gone]
            new = _checked(new.model_copy(update={"tags": tags}))
            durable.replace_json(run.notes_file, new.model_dump())
    except FileNotFoundError:
        raise ValueError(f"Run {run.id} no longer exists, so its notes cannot be changed.") from None
    return new


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _checked(notes: Notes) -> Notes:
    """The notes with the name on one line and each tag once. Raises ValueError when a text is too long."""
    name, note = _one_line(notes.name), notes.note.strip()
    tags: dict[str, str] = {}
    for tag in filter(None, notes.tags):
        tags.setdefault(tag.casefold(), tag)
        if len(tag) > LONGEST_TAG:
            raise ValueError(f"The tag {tag[:20]!r}... has {len(tag)} characters; use at most {LONGEST_TAG}.")
    for what, text, most in (("name", name, LONGEST_NAME), ("note", note, LONGEST_NOTE)):
        if len(text) > most:
            raise ValueError(f"A {what} of {len(text):,} characters is too long; use at most {most:,}.")
    return notes.model_copy(update={"name": name, "note": note, "tags": tuple(tags.values())})
