"""Actions of the Configuration page: load, reset, check, validate and save the edited configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import streamlit as st

from pages.ui.configuration import draft, form
from pages.ui.configuration.draft import Draft, Source
from pages.ui.shared import clip_cache, flash, metrics
from pages.ui.shared.frame import error_sentence, plain
from trainer.config import config_file, saved_configs
from trainer.config.config_file import ConfigError, Problem
from trainer.config.option_list import options
from trainer.config.schema import Config
from trainer.dataset import window_fit
from trainer.estimates import requirements
from trainer.estimates.requirements import Estimate, Machine
from trainer.run import earlier_run
from trainer.system.workspace import Workspace

PLACE = "configuration"
"""The place of the flash messages of this page."""
OFFER_REPLACE = "offer_replace"
"""Key of the name that exists already, which a checkbox allows to replace."""
MOST_PROBLEMS = 40
"""Largest number of problems in one message: a file of another kind can have thousands."""
DISCARDED = "discarded_draft"
"""Key of the draft with unsaved changes that a load replaced; it can be restored until the next save."""
REPLACED = "replaced_draft"
"""Key of the draft without unsaved changes that a load replaced; it can be restored until the next edit."""
UNFOLDED = "customize_unfolded"
"""Key of whether the fields are unfolded when the page is drawn first; it stays, so that no edit folds them."""
KINDS = {"preset": "preset", "saved": "saved configuration", "run": "configuration of run", "file": "file"}


@dataclass(frozen=True)
class Checked:
    """The result of a check. Without a valid configuration, `config` and `needs` (its estimates) are None."""

    config: Config | None
    needs: Estimate | None
    problems: list[Problem]
    warnings: list[Problem]
    machine: Machine


def check(workspace: Workspace, edited: Draft) -> Checked:
    """Check the edited values."""
    here = requirements.machine(workspace)
    try:
        config = config_file.build(draft.document(edited))
    except ConfigError as error:
        return Checked(None, None, error.problems, [], here)
    sentence = earlier_run.problem(workspace, config)
    problems = [config_file.problem_of(sentence)] if sentence else []
    needs = requirements.estimate(config, requirements.clip_bytes(workspace))
    scan = clip_cache.scanned(workspace)
    unfit = window_fit.problem(config, window_fit.speech_of(scan.clips)) if scan else None
    warnings = [*requirements.warnings(config, here), *([unfit] if unfit else [])]
    return Checked(config, needs, problems, warnings, here)


def problem_sentence(problem: Problem) -> str:
    """A problem with the label and the name in files of its option."""
    labels = {option.key: option.label for option in options()}
    name = f"{labels[problem.option]} ({problem.option})" if problem.option in labels else problem.option
    return f"{name}: {problem.message}" if name else problem.message


def post_problems(head: str, problems: list[Problem]) -> None:
    """Post all problems in one message."""
    sentences = [problem_sentence(problem) for problem in problems]
    if len(sentences) == 1:
        flash.error(PLACE, f"{head} {sentences[0]}")
        return
    more = [f"and {len(sentences) - MOST_PROBLEMS:,} more"] if len(sentences) > MOST_PROBLEMS else []
    flash.error(PLACE, f"{head} It has {len(sentences):,} problems:", *sentences[:MOST_PROBLEMS], *more)


def save_fields(workspace: Workspace) -> Draft:
    """Store the current values of the fields in the draft, and return it. For callbacks and the start of a drawing."""
    return draft.keep_values(workspace, form.current(draft.current(workspace).values))


def take(workspace: Workspace, taken: Draft) -> None:
    """Put a draft into the form, and keep unsaved changes for Restore."""
    st.session_state.pop(OFFER_REPLACE, None)
    previous = save_fields(workspace)
    if previous.values != taken.values:
        st.session_state.pop(REPLACED, None)
        st.session_state[DISCARDED if previous.changed() else REPLACED] = previous
    form.fill(taken.values)
    draft.keep(workspace, taken)
    st.session_state["save_name"] = offered_name(workspace, taken.source)


def show_discarded(workspace: Workspace, edited: Draft) -> None:
    """Offer to restore what the last load replaced: unsaved changes, or until the next edit what was loaded before."""
    discarded: Draft | None = st.session_state.get(DISCARDED)
    if edited.changed():
        st.session_state.pop(REPLACED, None)
    replaced: Draft | None = st.session_state.get(REPLACED)
    with st.container(horizontal=True, vertical_alignment="center", key="restore"):
        if discarded:
            st.markdown(f"The last load discarded unsaved changes: {changed_labels(discarded)}.", width="content")
            st.button("Restore changes", on_click=_restore, args=(workspace, DISCARDED))
        elif replaced:
            before = f"{KINDS[replaced.source.kind]} “{plain(replaced.source.name)}”"
            st.markdown(f"Before: {before}.", width="content")
            st.button("Undo", on_click=_restore, args=(workspace, REPLACED), help="Loads what was loaded before.")


def _restore(workspace: Workspace, key: str) -> None:
    """Put the draft under this key back into the form."""
    if draft_before := st.session_state.pop(key, None):
        take(workspace, draft_before)
        st.session_state.pop(REPLACED, None)


def load(workspace: Workspace, source: Source) -> None:
    """Load a configuration into the form, or post its problems."""
    try:
        taken = draft.load(workspace, source)
    except ConfigError as error:
        post_problems(f"{source.name} cannot be loaded.", error.problems)
    except OSError as error:
        flash.error(PLACE, f"{source.name} cannot be loaded: {error_sentence(error)}")
    else:
        take(workspace, taken)


def load_chosen(workspace: Workspace, kind: Literal["preset", "saved", "run"]) -> None:
    """Load the selected item of this list."""
    if name := st.session_state.get(f"chosen_{kind}"):
        load(workspace, Source(kind, name))
    else:
        flash.warning(PLACE, "Nothing is saved yet. Load a preset and save it under your own name.")


def reset(workspace: Workspace) -> None:
    """Reload the source of the configuration; if it is gone, restore the values as they were loaded."""
    edited = draft.current(workspace)
    if edited.source.kind == "file":
        take(workspace, replace(edited, values=edited.before))
        return
    try:
        taken = draft.load(workspace, edited.source)
    except (ConfigError, OSError):
        taken = replace(edited, values=edited.before)
    take(workspace, taken)


def validate(workspace: Workspace) -> None:
    """Post all problems of the form, or that it is valid and how much memory the training needs."""
    edited = save_fields(workspace)
    checked = check(workspace, edited)
    if checked.problems or checked.config is None or checked.needs is None:
        post_problems("The configuration is not valid.", checked.problems)
        return
    ram, gpu = checked.needs.memory_bytes, checked.needs.gpu_memory_bytes
    memory = f"about {metrics.gigabytes(ram)} on the CPU or {metrics.gigabytes(gpu)} on a GPU (estimates)"
    fits = requirements.fitting_sentence(checked.config, checked.machine)
    flash.success(PLACE, f"Configuration is valid. The training needs {memory} of memory. {fits}")
    for warning in checked.warnings:
        flash.warning(PLACE, problem_sentence(warning))


def save(workspace: Workspace) -> None:
    """Save the form under the name on the page, if it is valid and replaces no other file by accident."""
    edited = save_fields(workspace)
    name, config = st.session_state.get("save_name", "").strip(), None
    try:
        config = config_file.build(draft.document(edited))
        seen = edited.seen if edited.source == Source("saved", name) else saved_configs.ABSENT
        path = saved_configs.save(workspace, name, config, None if st.session_state.get(replace_key(name)) else seen)
        draft.keep(workspace, draft.of_config(config, Source("saved", name), saved_configs.digest_of(config)))
    except ConfigError as error:
        head = "Not saved:" if config else "Not saved: the configuration is not valid."
        post_problems(head, error.problems)
    except (ValueError, OSError) as error:
        st.session_state[OFFER_REPLACE] = name if isinstance(error, ValueError) else ""
        flash.error(PLACE, f"Not saved: {error_sentence(error)}")
    else:
        st.session_state["chosen_saved"] = name
        for key in (OFFER_REPLACE, DISCARDED, REPLACED):
            st.session_state.pop(key, None)
        flash.success(PLACE, f"Saved to {path}")


def replace_key(name: str) -> str:
    """The key of the checkbox that allows to replace `name`, and no other name."""
    return f"replace.{name}"


def would_replace(workspace: Workspace, source: Source, name: str) -> bool:
    """Whether saving under `name` would replace another file, or was refused for that reason."""
    another = name in saved_configs.names(workspace) and source != Source("saved", name)
    return another or (bool(name) and st.session_state.get(OFFER_REPLACE) == name)


def offered_name(workspace: Workspace, source: Source) -> str:
    """The default name for saving: that of the loaded file, or a free one."""
    if source.kind == "saved":
        return source.name
    base = f"my-{source.name}" if source.kind in ("preset", "run") else source.name
    fits = config_file.NAME.fullmatch(base)
    return saved_configs.free_name(workspace, base if fits else "my-configuration")


def is_unfolded(edited: Draft) -> bool:
    """Whether a session begins with unfolded fields: when someone was editing them."""
    return bool(st.session_state.setdefault(UNFOLDED, bool(edited.changed())))


def changed_labels(edited: Draft) -> str:
    """Labels of the edited options."""
    changed = edited.changed()
    return ", ".join(option.label for option in options() if option.key in changed)


def source_line(workspace: Workspace, edited: Draft) -> str:
    """The source of the values, unsaved changes, and whether the source has changed."""
    start = f"Loaded: {KINDS[edited.source.kind]} “{plain(edited.source.name)}”."
    saved = edited.source.kind == "saved"
    digest = saved_configs.digest(workspace, edited.source.name) if saved else edited.seen
    if saved and digest == saved_configs.ABSENT:
        start += " **Its file is gone**; “Save Configuration” writes it again."
    elif digest != edited.seen:
        start += " **Its file has changed since**; “Load” or “Reset” loads the new version."
    if edited.changed():
        return f"{start} **Unsaved changes**: {changed_labels(edited)}."
    if saved:
        return start if digest != edited.seen else f"{start} No unsaved changes."
    return f"{start} No changes. Save it under your own name to train with it."
