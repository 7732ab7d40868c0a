"""The list of runs: rows of whole and broken folders, and the index that must never say anything else than they do."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import scored_streams, tone_model
from tests.run_folders import end, epoch_row, make_alive, make_run
from tests.scored_streams import recording
from trainer.catalog import index, notes, reading, run_rows, search, trash
from trainer.catalog.run_rows import Row, option
from trainer.config import config_file, option_list
from trainer.config.schema import Config
from trainer.detector.detector_file import MODEL, NAME, DetectorFile
from trainer.evaluation import evaluations
from trainer.evaluation.evaluations import folder_of
from trainer.run import metrics, runs
from trainer.run.state import ACTIVE
from trainer.streams.stream_set import StreamSet
from trainer.system import durable
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def evaluate(run, misses=1, name="20260102-000000-0001"):
    """An evaluation of the run's model: so many of ten words are missed, one false accept in an hour."""
    if not (run.model / NAME).exists():
        tone_model.write(run.model, smoothing_seconds=0.1)
    words = recording("words", 60.0, words=scored_streams.words(10), counts_false_accepts=False)
    streams = [
        scored_streams.scored(words, {word.end: 0.8 for word in words.words[misses:]}),
        scored_streams.scored(recording("other", 3600.0), {99.0: 0.8}),
    ]
    model = durable.read_document(DetectorFile, run.model / NAME).files[MODEL]
    made = scored_streams.evaluation(streams, id=name, run=run.id, model_sha256=model, smoothing_seconds=0.1)
    folder = folder_of(run, name)
    shutil.rmtree(folder.path, ignore_errors=True)
    found = StreamSet(key="k", title="some streams", folder="", recordings=[each.recording for each in streams])
    tracks = {each.recording.name: each.probability.astype(np.float32) for each in streams}
    evaluations.write(folder, made, found, tracks, [])


def test_a_row_tells_what_the_table_shows(workspace):
    run = make_run(workspace, label="first", epochs=60)
    end(run, "completed", "All epochs are done.")
    evaluate(run)
    notes.change(run, add=["night", "Night", "two  words"], note="loud", starred=True)
    config = Config().model_copy(update={"training": Config().training.model_copy(update={"batch_size": 32})})
    run.config_file.write_bytes(config_file.dump(config))
    (row,) = index.update(workspace).rows
    assert (row.run, row.state, row.problem, row.label) == (run.id, "completed", "", "first")
    assert (row.tags, row.note, row.starred, row.archived) == (("night", "two words"), "loud", True, False)
    best = epoch_row(60)
    assert (row.best_epoch, row.val_loss, row.accuracy) == (60, best["val_loss"], best["val_accuracy"])
    assert (row.fpr, row.fnr, row.f1) == (best["fpr"], best["fnr"], best["f1"])
    assert (row.threshold, row.miss_rate, row.stream_miss_rate) == (0.5, 0.1, 0.0433)
    assert (row.false_accepts_per_hour, row.hours, row.measured_on) == (1.0, 1.0, "evaluation")
    assert row.operating_point["misses"] == 1 and row.operating_point["evaluation"] == row.evaluation
    assert len(row.losses) == 40 and row.losses[0] == float(f"{epoch_row(1)['val_loss']:.4g}")
    assert row.changed == {"training.batch_size": 32} and option(row, "model.name") == row.model == "tc_resnet"
    assert row.size_bytes == sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file())
    assert row.started == 1767268800.0 and row.ended == row.started + 3600


def test_a_rename_is_followed_by_all_that_shows_a_label(workspace):
    run = make_run(workspace, label="first")
    notes.change(run, name="../../evil\n name ")
    assert runs.status(run).label == runs.document(runs.status(run))["label"] == "../../evil name"
    assert index.update(workspace).rows[0].label == "../../evil name"
    notes.change(run, name="")
    assert runs.status(run).label == "first"


def test_damaged_notes_are_not_written_over(workspace):
    run = make_run(workspace)
    run.notes_file.write_text('{"tags": ["mine",]}')
    with pytest.raises(ValueError, match="cannot be read"):
        notes.change(run, starred=True)
    assert "notes.json is damaged" in index.update(workspace).rows[0].problem
    shutil.rmtree(run.folder)
    with pytest.raises(ValueError, match="no longer exists"):
        notes.change(run, starred=True)
    assert not run.folder.exists()


def test_what_a_later_version_noted_is_kept(workspace):
    run = make_run(workspace)
    run.notes_file.write_text('{"note": "old", "colour": "red"}')
    notes.change(run, note="new")
    assert durable.read_json(run.notes_file)["colour"] == "red"


DAMAGES = {
    "request.json is damaged": lambda run: run.request_file.write_bytes(b'{"label": "x'),
    "request.json is missing": lambda run: run.request_file.unlink(),
    "config.yaml is missing": lambda run: run.config_file.unlink(),
    "config.yaml cannot be read": lambda run: run.config_file.write_bytes(b"\xff\xfe: ["),
    "config.yaml cannot be read: Is a directory": lambda run: (run.config_file.unlink(), run.config_file.mkdir()),
    "no option augmentation.wobble": lambda run: run.config_file.write_text("augmentation:\n  wobble: 3\n"),
    "outcome.json is damaged": lambda run: run.outcome_file.write_text("[]"),
    "1 rows of metrics.jsonl are damaged": lambda run: run.metrics_file.write_bytes(
        run.metrics_file.read_bytes().replace(b'"epoch":2', b'"epoch":7')
    ),
    "": lambda run: (run.metrics_file.unlink(), run.metrics_file.mkdir()),
}


@pytest.mark.parametrize("told", DAMAGES)
def test_a_broken_folder_is_a_row_that_says_so(workspace, told):
    run = make_run(workspace)
    end(run, "completed", "All epochs are done.")
    DAMAGES[told](run)
    (row,) = index.update(workspace).rows
    assert told in row.problem and row.run == run.id
    json.dumps(row).encode()


def test_foreign_folders_and_wild_values_are_rows(workspace):
    make_run(workspace, 1)
    odd = make_run(workspace, 2)
    request = durable.read_json(odd.request_file)
    odd.request_file.write_text(json.dumps(request | {"label": "\ud800half", "created": "yesterday"}))
    odd.progress_file.write_text('{"attempt": 1, "beat": 0, "phase": "", "elapsed_seconds": Infinity}')
    for name in ("backup of runs", "99999999-999999-abcd", ".slots"):
        (workspace.runs / name).mkdir()
    (workspace.runs / "20260101-120000-ffff").write_text("a file")
    (workspace.runs / "20260101-120000-fffe").symlink_to("nowhere")
    (workspace.runs / "20260101-120000-fffd").symlink_to("20260101-120000-fffd")
    found = {row.run: row for row in index.update(workspace).rows}
    assert set(found) == {"backup of runs", "99999999-999999-abcd", "20260101-120000-0001", "20260101-120000-0002"}
    assert found["backup of runs"].state == "foreign" and found["99999999-999999-abcd"].state == "damaged"
    assert found[odd.id].label == "?half" and found[odd.id].duration_seconds is None
    assert index.update(Workspace(workspace.root / "nowhere")).rows == []


def test_an_attempt_that_cannot_be_is_no_endless_look(workspace):
    """No attempt is before the first, so such a process.json is damaged and not that of an attempt that has passed."""
    run = make_run(workspace)
    end(run, "completed", "All epochs are done.")
    run.process_file.write_text(json.dumps(durable.read_json(run.process_file) | {"attempt": 0}))
    (row,) = index.update(workspace).rows
    assert (row.state, row.attempt) == ("completed", 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([10**400, -(10**400), 1e308]) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_file_holds_the_row_can_be_shown_and_searched(tmp_path_factory, data):
    workspace = Workspace(tmp_path_factory.mktemp("runs"))
    run = make_run(workspace, epochs=2)
    end(run, "completed", "All epochs are done.")
    evaluate(run)
    notes.change(run, add=["night"])
    every = sorted(path for path in run.folder.rglob("*") if path.is_file() and path.stat().st_size)
    path = data.draw(st.sampled_from(every))
    document = durable.read_json(path)
    if isinstance(document, dict) and data.draw(st.booleans()):
        path.write_text(json.dumps(document | {data.draw(st.sampled_from(sorted(document))): data.draw(VALUES)}))
    elif path == run.config_file and data.draw(st.booleans()):
        path.write_bytes(path.read_bytes() + f"more:\n  x: {data.draw(VALUES)}\n".encode("utf-8", "replace"))
    else:
        whole = path.read_bytes()
        at = len(whole) * data.draw(st.integers(0, 1000)) // 1000
        path.write_bytes(whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + data.draw(st.integers(0, 9)) :])
    (row,) = index.update(workspace).rows
    assert row.run == run.id and json.loads(json.dumps(row, allow_nan=False)) is not None
    str(row).encode()
    for name in run_rows.fields():
        assert run_rows.sorted_by([row, row], name) == [row, row]
    search.find([row], "a val_loss<1 started>2020 tag:x batch_size=64 threads<1 epochs>1 state:failed")


def test_runs_of_earlier_versions_stay_in_the_list(workspace):
    run = make_run(workspace)
    run.config_file.write_bytes(b"model:\n  name: conformer\nloss:\n  name: cross_entropy\n  focal_gamma: 2.0\n")
    (row,) = index.update(workspace).rows
    assert (row.run, row.problem, row.model, row.changed) == (run.id, "", "conformer", {"model.name": "conformer"})
    run.config_file.write_bytes(b"loss:\n  name: focal\n  focal_gamma: 2.0\n")
    (row,) = index.update(workspace).rows
    assert (row.run, row.changed) == (run.id, {"loss.name": "focal"})
    assert row.problem == "config.yaml is of another version: this one has no option loss.name"


def test_a_list_of_runs_reads_every_option_of_a_saved_configuration(workspace):
    workspace.configs.mkdir()
    for name in config_file.presets():
        path = workspace.configs / "x.yaml"
        config = config_file.preset(name)
        path.write_bytes(config_file.dump(config))
        values = run_rows.read_options(path)
        assert values == option_list.values(config) | {"preset": name} and not run_rows.unknown_options(values)
    path.write_bytes(b"a:\n  b: null\n  c: [1]\n  d: 2\n")
    assert run_rows.read_options(path) == {"a.d": 2}
    for text in ("a:\n  b: 1\n  b: 2\n", "- b\n", "a: [\n"):
        path.write_bytes(text.encode())
        with pytest.raises(ValueError, match=r"twice|no options|expected"):
            run_rows.read_options(path)


ACTIONS = (
    "make", "end", "rename", "tag", "edit", "append", "unlink", "garble", "remove", "evaluate", "trash", "restore",
    "live", "damage index", "forget index", "foreign",
)  # fmt: skip


def act(workspace, action, number):
    """Change something on disk, as programs and people do."""
    found = runs.all_runs(workspace)
    run = found[number % len(found)] if found else None
    if action == "make" and runs.by_id(workspace, f"20260101-120000-{number:04x}") is None:
        make_run(workspace, number, label=f"run {number}")
    elif action == "damage index" and index.file_of(workspace).exists():
        data = index.file_of(workspace).read_bytes()
        index.file_of(workspace).write_bytes(data.replace(b"run", b"ran", number) if number % 2 else data[:-3])
    elif action == "forget index":
        index.file_of(workspace).unlink(missing_ok=True)
    elif action == "foreign":
        (workspace.runs / f"mine {number}").mkdir(parents=True, exist_ok=True)
    elif action == "restore" and (thrown := trash.all_of(workspace)):
        if runs.by_id(workspace, thrown[0].id[:20]) is None:
            trash.restore(workspace, thrown[0])
    elif run is not None:
        act_on(workspace, run, action, number)


def act_on(workspace, run, action, number):
    match action:
        case "end":
            end(run, ("completed", "failed", "paused")[number % 3], "why")
        case "rename" | "tag" if durable.read_json(run.notes_file) or not run.notes_file.exists():
            notes.change(run, **({"name": f"name {number}"} if action == "rename" else {"add": [f"t{number}"]}))
        case "edit" if run.config_file.exists():  # in place, as long as before, the time set back
            before, data = run.config_file.stat(), run.config_file.read_bytes()
            run.config_file.write_bytes(data.replace(b"seed: 0", b"seed: 1"))
            os.utime(run.config_file, ns=(before.st_atime_ns, before.st_mtime_ns))
        case "append":
            metrics.append(run.metrics_file, epoch_row(4 + number))
        case "unlink":
            for path in sorted(run.folder.glob("*.*"))[number : number + 1]:
                path.unlink()
        case "garble":
            for path in sorted(run.folder.glob("*.json"))[number : number + 1]:
                path.write_bytes(path.read_bytes()[: 7 * number])
        case "remove":
            shutil.rmtree(run.folder)
        case "evaluate":
            evaluate(run, number, f"20260102-000000-{number:04x}")
        case "trash" if runs.status(run).state not in ACTIVE:
            trash.add(workspace, run)
        case "live" if (
            run.process_file.exists() and run.progress_file.exists() and durable.read_json(run.progress_file)
        ):
            make_alive(run)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 5), st.booleans()), min_size=4, max_size=14))
def test_the_index_says_what_the_folders_say(tmp_path_factory, actions):
    workspace = Workspace(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "YOUNG_SECONDS", 0.02)
        patch.setattr(index, "MANY", 0)
        held = None
        for number in range(3):
            make_run(workspace, number, label=f"run {number}")
        for action, number, rest in actions:
            act(workspace, action, number)
            if rest:
                time.sleep(0.03)  # long enough for the rows to be believed
            truth = [
                reading.read(runs.Run(workspace.runs / name)) if runs.ID.fullmatch(name) else reading.foreign(name)
                for name in index._folders(workspace)
            ]
            held = index.update(workspace, held)
            assert held.rows == truth
            assert index.update(workspace).rows == truth


def test_a_reading_that_is_interrupted_is_not_lost(workspace, monkeypatch):
    monkeypatch.setattr(index, "YOUNG_SECONDS", 0.02)
    monkeypatch.setattr(index, "MANY", 1)
    for number in range(4):
        make_run(workspace, number)
    time.sleep(0.03)

    def leave(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.update(workspace, None, leave)
    assert list(index.read(workspace)) == index._folders(workspace)[:3]


def edited(path):
    """Change a byte in place and set the time of change back."""
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"seed: 0", b"seed: 1").replace(b"night", b"might"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "config": lambda run: edited(run.config_file),
    "notes": lambda run: edited(run.notes_file),
    "outcome": lambda run: end(run, "failed", "why"),
    "metrics": lambda run: metrics.append(run.metrics_file, epoch_row(4)),
    "evaluation finished": lambda run: evaluate(run, 5, "20260102-000000-0002"),
    "evaluation damaged": lambda run: (run.folder / "evaluation/20260102-000000-0001/evaluation.json").write_text("{"),
    "evaluation's scores damaged": lambda run: run.folder.joinpath(
        "evaluation/20260102-000000-0001/tracks.npz"
    ).write_bytes(b"half"),
    "threshold chosen": lambda run: (run.model / NAME).write_text(
        (run.model / NAME)
        .read_text()
        .replace('"threshold": 0.5', '"threshold": 0.9')
        .replace('"threshold":0.5', '"threshold":0.9')
    ),
    "checkpoint": lambda run: (run.checkpoints / "epoch-00009.pt").write_bytes(b"new"),
    "request gone": lambda run: run.request_file.unlink(),
    "alive": make_alive,
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_a_folder_is_seen(workspace, monkeypatch, change):
    run = make_run(workspace)
    run.checkpoints.mkdir()
    notes.change(run, add=["night"])
    evaluate(run)
    (run.folder / "evaluation/20260102-000000-0002").mkdir()  # one that is still being made
    monkeypatch.setattr(index, "YOUNG_SECONDS", 0.0)
    time.sleep(0.02)
    read = []
    first = index.update(workspace, report=lambda done, total: read.append((done, total)))
    assert read[0] == (0, len(first.rows))
    assert list(first.entries) == [run.id]
    CHANGES[change](run)
    (row,) = index.update(workspace, first).rows
    assert row == reading.read(run) != first.rows[0]


def test_a_young_row_is_read_again(workspace, monkeypatch):
    run = make_run(workspace)
    first = index.update(workspace)
    assert not first.entries
    monkeypatch.setattr(index, "_stamp", lambda folder, files: ("equal", 0))  # a clock too coarse to tell two changes
    edited(run.config_file)
    assert index.update(workspace, first).rows[0].changed == {"training.seed": 1}


def test_a_look_after_the_first_reads_no_run(workspace, monkeypatch):
    for number in range(30):
        end(make_run(workspace, number), "completed", "done")
    alive = make_run(workspace, 99)
    make_alive(alive)
    monkeypatch.setattr(index, "YOUNG_SECONDS", 0.05)
    time.sleep(0.1)
    first = index.update(workspace).rows
    read, real = [], reading.read
    monkeypatch.setattr(reading, "read", lambda run: read.append(run.id) or real(run))
    assert index.update(workspace).rows == first and read == [alive.id]
    read.clear()
    notes.change(runs.Run(workspace.runs / first[5].run), starred=True)
    assert index.update(workspace).rows[5].starred and sorted(read) == sorted([alive.id, first[5].run])


def test_an_index_that_cannot_be_written_or_is_another_version_s_harms_nobody(workspace, monkeypatch):
    for number in range(25):
        end(make_run(workspace, number), "completed", "done")
    monkeypatch.setattr(index, "YOUNG_SECONDS", 0.0)
    index.file_of(workspace).mkdir()
    assert len(index.update(workspace).rows) == 25
    index.file_of(workspace).rmdir()
    index.update(workspace)
    assert len(index.read(workspace)) == 25
    monkeypatch.setattr(index, "VERSION", index.VERSION + 1)
    assert index.read(workspace) == {}


def test_two_who_write_the_index_at_once_leave_a_whole_one(workspace):
    rows = [Row(f"20260101-120000-{number:04x}", "completed", label="x" * 50) for number in range(200)]
    kept = [{row.run: index.Entry("stamp", [""], row) for row in part} for part in (rows, rows[:150])]
    index.write(workspace, kept[0])
    assert index.read(workspace) == {}  # there is no runs/ to write into
    workspace.runs.mkdir()
    index.write(workspace, kept[0])
    with ThreadPoolExecutor() as pool:
        writing = [pool.submit(lambda one=one: [index.write(workspace, one) for _ in range(20)]) for one in kept]
        while not all(one.done() for one in writing):
            assert index.read(workspace) in kept
    assert [path.name for path in workspace.runs.iterdir()] == [index.file_of(workspace).name]
