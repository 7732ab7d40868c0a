"""Jobs that pages start: their file tells the truth whoever dies."""

import signal

import pytest

from tests.tiny import make_raw
from tests.waiting import wait_for_job
from trainer.dataset import clips
from trainer.system import job, processes
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path)
    make_raw(made, voices=3)
    return made


def wait_for_end(workspace: Workspace, verb: job.Verb) -> job.Job:
    return wait_for_job(workspace, verb, lambda found: found.state != "running")


def test_a_job_does_its_work_and_leaves_its_last_word(workspace):
    job.start(workspace, "scan", [])
    assert job.read(workspace, "scan").state == "running", "at once, before its process has even started"
    ended = wait_for_end(workspace, "scan")
    assert ended.state == "done" and ended.message.startswith("26 clips, ") and "0 refused" in ended.message
    assert len(clips.load(workspace)) == 26


def test_a_refused_job_says_why_in_one_sentence(workspace):
    job.start(workspace, "split", ["--ratios=70/15/15"])
    ended = wait_for_end(workspace, "split")
    assert ended.state == "failed" and ended.message.startswith("No scan found. Scan the data set first")


def test_a_killed_job_is_failed_and_can_be_started_again(tmp_path):
    workspace = Workspace(tmp_path)
    job.start(workspace, "demo", ["--positives=3000"])
    found = wait_for_job(workspace, "demo", lambda found: found.identity)
    assert processes.send_signal(found.identity, signal.SIGKILL)
    ended = wait_for_end(workspace, "demo")
    assert "ended unexpectedly" in ended.message
    job.start(workspace, "demo", ["--positives=10"])
    ended = wait_for_end(workspace, "demo")
    assert ended.state == "done", ended.message


def test_a_cancelled_job_says_so_and_leaves_nothing_behind(tmp_path):
    workspace = Workspace(tmp_path)
    job.start(workspace, "demo", ["--positives=3000"])
    wait_for_job(workspace, "demo", lambda found: found.done)  # it speaks
    job.cancel(workspace, "demo")
    ended = wait_for_end(workspace, "demo")
    assert ended.state == "cancelled" and "The clips are unchanged" in ended.message
    assert not list((tmp_path / "data" / "incoming").iterdir()) and not workspace.raw.exists()


def test_a_last_word_that_comes_while_one_looks_is_heard(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    workspace.jobs.mkdir(parents=True)
    working = job.Job(verb="demo", boot_id=processes.boot_id(), clock=processes.boot_clock())
    job._write(workspace, working)

    def ends(workspace: Workspace, looked_at: job.Job) -> str:
        job._write(workspace, working.model_copy(update={"state": "cancelled", "message": "It was cancelled."}))
        return "dead"

    monkeypatch.setattr(job, "_life", ends)
    found = job.read(workspace, "demo")
    assert (found.state, found.message) == ("cancelled", "It was cancelled.")


def test_a_second_start_while_one_runs_does_nothing(workspace, monkeypatch):
    job.start(workspace, "scan", [])
    monkeypatch.setattr(processes, "start_detached", lambda *rest: pytest.fail("started twice"))
    job.start(workspace, "scan", [])
    wait_for_end(workspace, "scan")


def test_a_job_of_an_earlier_boot_is_not_running(workspace):
    workspace.jobs.mkdir(parents=True)
    job._write(workspace, job.Job(verb="scan", boot_id="before the power cut", clock=processes.boot_clock()))
    assert job.read(workspace, "scan").state == "failed"


def test_a_page_sees_every_stage_at_once_and_counts_a_few_times_a_second(tmp_path, monkeypatch):
    workspace, seen, writes = Workspace(tmp_path), [], []
    monkeypatch.setattr(job.time, "monotonic", lambda: 0.1)
    write = job._write
    monkeypatch.setattr(job, "_write", lambda *arguments: (writes.append(1), write(*arguments)))

    def work(report):
        for number in range(100):
            report(number, 100, "Scanning")
        counted = len(writes)
        for doing in ("Splitting", "Measuring"):
            report(0, 0, doing)
            seen.append(job.read(workspace, "scan").doing)
        assert counted < 3
        return "Done."

    monkeypatch.setattr(job.signal, "signal", lambda *arguments: None)
    job.run(workspace, "scan", work)
    assert seen == ["Splitting", "Measuring"] and job.read(workspace, "scan").message == "Done."


def test_a_step_with_as_much_to_count_as_the_last_has_a_pace_of_its_own(workspace, monkeypatch):
    began = []

    def work(report):
        for step in ("Generating noise", "Generating rooms"):
            for done in range(1, 101):
                monkeypatch.setattr(job.time, "monotonic", lambda: 10.0 + len(began))
                report(done, 100, step)
                began.append(job.read(workspace, "scan").counted_from)
        return "Done."

    monkeypatch.setattr(job.signal, "signal", lambda *arguments: None)
    job.run(workspace, "scan", work)
    first, second = began[99], began[-1]
    assert first[1] == second[1] == 1 and second[0] > first[0]


def counting(total: int, done: int, seconds: float, first: int = 0) -> job.Job:
    """A job that has counted to `done` in these seconds."""
    since = processes.boot_clock() - seconds
    known = {"boot_id": processes.boot_id(), "clock": since, "counted_from": (since, first)}
    return job.Job(verb="scan", done=done, total=total, **known)


def test_the_time_left_follows_from_the_pace_of_what_is_counted():
    assert job.seconds_left(counting(1000, 250, 10)) == pytest.approx(30, rel=0.01)
    assert job.seconds_left(counting(1000, 900, 10, first=800)) == pytest.approx(10, rel=0.01), "it was continued"
    for early in (counting(1000, 250, 1), counting(1000, 5, 10), counting(4, 2, 10), counting(0, 0, 10)):
        assert job.seconds_left(early) is None
    elsewhere = counting(1000, 250, 10).model_copy(update={"boot_id": "another"})
    assert job.seconds_left(elsewhere) is None


def test_a_new_count_has_a_pace_of_its_own_and_every_stage_is_told(tmp_path, monkeypatch):
    workspace, told, clock = Workspace(tmp_path), [], iter(range(100))
    monkeypatch.setattr(job.processes, "boot_clock", lambda: float(next(clock)))

    def work(report: job.Report) -> str:
        for done, total, doing in ((0, 3, "one"), (1, 3, "two"), (2, 3, "three"), (0, 500, "counted")):
            report(done, total, doing)
            found = job._read_file(workspace, "scan")
            told.append((found.doing, found.counted_from))
        return "done"

    job.run(workspace, "scan", work)
    assert [doing for doing, _ in told][:3] == ["one", "two", "three"]
    assert told[0][1] == told[2][1]
