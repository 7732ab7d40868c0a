"""Drafts: edited configurations as files in configs/.drafts, which outlive the page, the tab and the server.

The address names the draft of a browser tab (`?draft=ID`), so that a reload shows the same one. Two tabs never write
the same file: a tab whose file was changed by another tab continues in a new file.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import streamlit as st
from pydantic import BaseModel, ValidationError

from pages.ui.shared.frame import error_sentence, plain
from trainer.config import config_file, option_list, saved_configs
from trainer.config.option_list import Option, Value, Values, options
from trainer.config.schema import Config
from trainer.run import runs
from trainer.system import durable, regular_file
from trainer.system.workspace import Workspace

LARGEST_WHOLE = 2**53 - 1
"""Largest whole number that is exact in a browser."""
ID = re.compile(r"[0-9a-f]{12}")
KEPT = 20
"""Number of newest drafts that are kept; a tab whose draft is gone starts with the newest."""


@dataclass(frozen=True)
class Source:
    """The source of an edited configuration; `file` is an upload or pasted text."""

    kind: Literal["preset", "saved", "run", "file"]
    name: str


@dataclass(frozen=True)
class Draft:
    """Edited `values`, of the right type but otherwise unchecked, and the values `before` the edits.

    `preset` is what they are compared with; `seen` is the digest of the saved file when it was opened, see
    saved_configs.save.
    """

    source: Source
    seen: str
    preset: str
    before: Values
    values: Values

    def changed(self) -> list[str]:
        """Keys of the edited options."""
        return [key for key, value in self.values.items() if value != self.before[key]]


class _Document(BaseModel):
    """The draft's file."""

    kind: Literal["preset", "saved", "run", "file"]
    name: str
    seen: str
    preset: str
    before: dict[str, Any]
    values: dict[str, Any]


def new_id() -> str:
    return secrets.token_hex(6)


def _file(workspace: Workspace, draft_id: str) -> Path:
    return workspace.drafts / f"{draft_id}.json"


def document(draft: Draft) -> dict[str, Any]:
    """The edited values as a document for `config_file.build`."""
    nested: dict[str, Any] = {"preset": draft.preset} if draft.preset else {}
    for key, value in draft.values.items():
        group, name = key.split(".", 1)
        nested.setdefault(group, {})[name] = value
    return nested


def _fitting(option: Option, value: object) -> Value:
    """`value` if a field of the form can show it, else the default."""
    if option.kind is bool:
        return value if isinstance(value, bool) else option.default
    if option.kind is str:
        fits = isinstance(value, str) and (value in option.choices or not option.choices)
        return value if isinstance(value, str) and fits else option.default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return option.default
    if option.kind is int:
        return value if isinstance(value, int) and abs(value) <= LARGEST_WHOLE else option.default
    return float(value)


def of_config(config: Config, source: Source, seen: str = saved_configs.ABSENT) -> Draft:
    """A draft without edits."""
    values = option_list.values(config)
    return Draft(source, seen, config.preset, values, values)


def config_of(workspace: Workspace, source: Source) -> Config:
    """The configuration of a preset, a saved file or a run. Raises ConfigError, OSError."""
    if source.kind == "preset" and source.name in config_file.presets():
        return config_file.preset(source.name)
    if source.kind == "saved":
        return config_file.load(saved_configs.path_of(workspace, source.name))
    run = runs.by_id(workspace, source.name) if source.kind == "run" else None
    if run is None:
        raise FileNotFoundError(f"The {source.kind} {source.name!r:.80} no longer exists.")
    return config_file.load(run.config_file)


def load(workspace: Workspace, source: Source) -> Draft:
    """A draft equal to its source. Raises ConfigError, OSError."""
    seen = saved_configs.digest(workspace, source.name) if source.kind == "saved" else saved_configs.ABSENT
    return of_config(config_of(workspace, source), source, seen)


def read(workspace: Workspace, draft_id: str) -> Draft | None:
    """The stored draft; None when it is missing or damaged."""
    return _read(_file(workspace, draft_id)) if ID.fullmatch(draft_id) else None


def _read(path: Path) -> Draft | None:
    try:
        stored = _Document.model_validate(durable.read_json(path))
    except ValidationError:
        return None
    before, values = (
        {option.key: _fitting(option, values.get(option.key)) for option in options()}
        for values in (stored.before, stored.values)
    )
    preset = stored.preset if stored.preset in config_file.presets() else ""
    return Draft(Source(stored.kind, stored.name), stored.seen, preset, before, values)


def _newest_first(workspace: Workspace) -> list[Path]:
    drafts = (path for path in workspace.drafts.glob("*.json") if ID.fullmatch(path.stem))
    return durable.newest_first(drafts)


def newest(workspace: Workspace) -> Draft:
    """The draft edited last in any tab; without one, the recommended preset."""
    drafts = (_read(path) for path in _newest_first(workspace))
    recommended = Source("preset", config_file.presets()[0])
    return next((draft for draft in drafts if draft), None) or load(workspace, recommended)


def stamp(workspace: Workspace, draft_id: str) -> str:
    """Digest of the draft's file; empty without a file."""
    try:
        return hashlib.sha256(regular_file.read_bytes(_file(workspace, draft_id))).hexdigest()
    except OSError:
        return ""


def write(workspace: Workspace, draft_id: str, draft: Draft) -> None:
    """Store the draft, and remove all but the KEPT newest. Raises OSError."""
    workspace.drafts.mkdir(parents=True, exist_ok=True)
    stored = _Document(
        kind=draft.source.kind,
        name=draft.source.name,
        seen=draft.seen,
        preset=draft.preset,
        before=draft.before,
        values=draft.values,
    )
    durable.replace_json(_file(workspace, draft_id), stored.model_dump())
    for path in _newest_first(workspace)[KEPT:]:
        path.unlink(missing_ok=True)


KEY = "opened_draft"


@dataclass(frozen=True)
class Opened:
    """A draft, its file, and the digest of that file when this tab last wrote or read it."""

    root: str
    draft_id: str
    stamp: str
    draft: Draft


def current(workspace: Workspace) -> Draft:
    """The draft of this tab: that of the session, else of the address, else the newest one."""
    opened: Opened | None = st.session_state.get(KEY)
    if opened is None or opened.root != str(workspace.root):
        opened = _open(workspace)
        st.session_state[KEY] = opened
    if opened.stamp:
        st.query_params["draft"] = opened.draft_id
    return opened.draft


def _open(workspace: Workspace) -> Opened:
    wanted = st.query_params.get("draft", "")
    if stored := read(workspace, wanted):
        return Opened(str(workspace.root), wanted, stamp(workspace, wanted), stored)
    return Opened(str(workspace.root), new_id(), "", newest(workspace))


def keep(workspace: Workspace, edited: Draft) -> None:
    """Make this the draft of the tab."""
    current(workspace)  # a click can come before the first drawing of a session
    opened: Opened = st.session_state[KEY]
    if edited == opened.draft:
        return
    unchanged = stamp(workspace, opened.draft_id) == opened.stamp
    draft_id = opened.draft_id if unchanged else new_id()
    try:
        write(workspace, draft_id, edited)
    except OSError as error:
        st.session_state[KEY] = replace(opened, draft=edited)
        st.warning(f"Changes cannot be stored for your next visit: {plain(error_sentence(error))}")
        return
    st.session_state[KEY] = Opened(str(workspace.root), draft_id, stamp(workspace, draft_id), edited)
    st.query_params["draft"] = draft_id


def keep_values(workspace: Workspace, values: Values) -> Draft:
    """Change the values of the draft of this tab, and return it."""
    edited = replace(current(workspace), values=values)
    keep(workspace, edited)
    return edited
