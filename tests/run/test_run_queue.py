"""The queue: who comes next on which device, slots that free themselves, files that are damaged."""

import os
import socket
import subprocess

import pytest

from tests.run_folders import dead_process, end, make_alive, make_run, workspace_at, write_processes
from trainer.run import run_queue
from trainer.run.documents import Processes
from trainer.run.run_queue import Waiting
from trainer.run.runs import Run
from trainer.system import durable, processes
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return workspace_at(tmp_path)


def make_queued(workspace: Workspace, number: int, **progress: object) -> Run:
    """A run whose supervisor, this very process, waits."""
    run = make_run(workspace, number, **progress)
    own = processes.identity_of(os.getpid())
    waiting = Processes(attempt=1, host=own.host, boot_id=own.boot_id, supervisor=own, clock=processes.boot_clock())
    durable.replace_json(run.process_file, waiting.model_dump())
    return run


def test_first_come_first_served_one_at_a_time(workspace: Workspace):
    first, second = make_queued(workspace, 1), make_queued(workspace, 2)
    for run in (first, second):
        run_queue.join(workspace, run, ["cpu"])
    assert run_queue.take(workspace, second, ["cpu"]) is None, "the first comes first, even if the second asks first"
    slot = run_queue.take(workspace, first, ["cpu"])
    assert slot and slot.device == "cpu"
    make_alive(first)
    assert run_queue.take(workspace, second, ["cpu"]) is None, "one slot is the default"
    os.close(slot.descriptor)
    assert run_queue.take(workspace, second, ["cpu"])


def test_a_dead_supervisor_does_not_hold_up_the_line(workspace: Workspace):
    first, second = make_queued(workspace, 1), make_queued(workspace, 2)
    for run in (first, second):
        run_queue.join(workspace, run, ["cpu"])
    write_processes(first, dead_process(), processes.boot_clock())
    assert run_queue.take(workspace, second, ["cpu"])


def test_a_slot_is_held_by_whoever_shares_it_and_is_free_when_all_are_dead(workspace: Workspace):
    first, second = make_queued(workspace, 1), make_queued(workspace, 2)
    slot = run_queue.take(workspace, first, ["cpu"])
    assert slot
    make_alive(first)
    holder = subprocess.Popen(["sleep", "60"], pass_fds=[slot.descriptor])
    os.close(slot.descriptor)
    assert run_queue.take(workspace, second, ["cpu"]) is None, "the trainer outlives its supervisor by a moment"
    holder.kill()
    holder.wait()
    assert run_queue.take(workspace, second, ["cpu"])


def test_who_was_given_a_slot_holds_it_before_its_trainer_is_there(workspace: Workspace):
    first, second = make_queued(workspace, 1), make_queued(workspace, 2)
    slot = run_queue.take(workspace, first, ["cpu"])
    run_queue.join(workspace, second, ["cpu"])  # who joins throws out those who hold no more
    make_alive(first)
    found = run_queue.position(workspace, second)
    assert slot and found and found.training == (first,)


def test_a_slot_is_not_kept_by_who_looked_for_one_while_the_disk_failed(workspace: Workspace):
    run = make_queued(workspace, 1)
    bad = workspace.runs / ".slots" / f"{processes.boot_id()}.cpu.1"
    bad.mkdir(parents=True)  # to be opened as a file is an error, after slot 0 was locked
    with pytest.raises(IsADirectoryError):
        run_queue.take(workspace, run, ["cpu"])
    bad.rmdir()
    assert run_queue.take(workspace, run, ["cpu"]), "it does not wait for itself"


def test_a_slot_is_the_same_one_under_another_name_of_the_host(workspace: Workspace, monkeypatch):
    first, second = make_queued(workspace, 1), make_queued(workspace, 2)
    slot = run_queue.take(workspace, first, ["cpu"])
    monkeypatch.setattr(socket, "gethostname", lambda: "another-name")
    assert slot and run_queue.take(workspace, second, ["cpu"]) is None


def test_slots_of_an_earlier_boot_are_cleared(workspace: Workspace):
    (workspace.runs / ".slots").mkdir(parents=True)
    old = workspace.runs / ".slots" / "an-earlier-boot.cpu.0"
    old.touch()
    assert run_queue.take(workspace, make_queued(workspace, 1), ["cpu"]) and not old.exists()


@pytest.mark.parametrize("holder", ["", "20260101-120000-0009", "../..", "20260101-120000-0001"])
def test_a_slot_of_which_nobody_knows_who_has_it_makes_the_forecast_unknown(workspace: Workspace, holder: str):
    first, second = make_queued(workspace, 1, eta_seconds=100.0), make_queued(workspace, 2)
    slot = run_queue.take(workspace, first, ["cpu"])
    assert slot
    end(first, "completed", "All epochs done.")
    (workspace.runs / ".slots" / f"{processes.boot_id()}.cpu.0").write_text(holder)
    run_queue.join(workspace, second, ["cpu"])
    found = run_queue.position(workspace, second)
    assert found and found.training == () and found.unknown == 1 and run_queue.start_seconds(found) is None


def test_nobody_known_before_it_is_no_forecast_of_now(workspace: Workspace):
    """As another machine sees a run that waits here: it cannot see the slots."""
    run = make_queued(workspace, 1)
    run_queue.join(workspace, run, ["cpu"])
    found = run_queue.position(workspace, run)
    assert found and run_queue.start_seconds(found) is None


def test_who_has_a_slot_does_not_join_the_queue_again(workspace: Workspace):
    """As `resume` would let it, whose supervisor was faster than it."""
    first, second = make_queued(workspace, 1, eta_seconds=100.0), make_queued(workspace, 2)
    slot = run_queue.take(workspace, first, ["cpu"])
    run_queue.join(workspace, first, ["cpu"])
    run_queue.join(workspace, second, ["cpu"])
    assert slot and [waiting.run for waiting in run_queue.read(workspace).order] == [second.id]
    found = run_queue.position(workspace, second)
    assert found and found.training == (first,) and run_queue.start_seconds(found) == 100


def test_devices_are_taken_as_they_become_free(workspace: Workspace):
    runs = [make_queued(workspace, number) for number in range(1, 5)]
    wanted = [["gpu0", "gpu1"], ["gpu0", "gpu1"], ["gpu0", "gpu1"], ["cpu"]]
    for run, devices in zip(runs, wanted, strict=True):
        run_queue.join(workspace, run, devices)
    taken = []
    for run, devices in zip(runs, wanted, strict=True):
        if slot := run_queue.take(workspace, run, devices):
            taken.append(slot.device)
            make_alive(run)
    assert taken == ["gpu0", "gpu1", "cpu"], "two GPUs are busy, and the CPU is free for who asks for it"
    found = run_queue.position(workspace, runs[2])
    assert found and found.place == 1 and found.slots == 2 and set(found.training) == {runs[0], runs[1]}


def test_more_slots_and_fewer(workspace: Workspace):
    runs = [make_queued(workspace, number) for number in range(1, 5)]
    run_queue.set_slots(workspace, "cpu", 2)
    first, second = (run_queue.take(workspace, run, ["cpu"]) for run in runs[:2])
    assert first and second
    for run in runs[:2]:
        make_alive(run)
    run_queue.set_slots(workspace, "cpu", 1)
    os.close(first.descriptor)
    assert run_queue.take(workspace, runs[2], ["cpu"]) is None, "the one that trains on fills the one slot"
    os.close(second.descriptor)
    assert run_queue.take(workspace, runs[2], ["cpu"])
    with pytest.raises(ValueError, match=r"^0 slots for cpu are not possible\. Choose from 1 to 16\.$"):
        run_queue.set_slots(workspace, "cpu", 0)


def test_the_order_is_changed_for_those_who_wait(workspace: Workspace):
    first, second, third, done = (make_queued(workspace, number) for number in range(1, 5))
    for run in (first, second, third, done):
        run_queue.join(workspace, run, ["cpu"])
    end(done, "completed", "All epochs done.")
    run_queue.move(workspace, third, "first")
    assert [waiting.run for waiting in run_queue.read(workspace).order] == [third.id, first.id, second.id]
    with pytest.raises(ValueError, match=r"is completed\. Only a queued run can be moved"):
        run_queue.move(workspace, done, "first")


@pytest.mark.parametrize(
    ("run", "place", "order"),
    [
        ("b", "earlier", "bac"), ("b", "later", "acb"), ("a", "earlier", "abc"), ("c", "later", "abc"),
        ("a", "last", "bca"),
    ],
)  # fmt: skip
def test_moving_keeps_the_order_of_the_others(run: str, place: run_queue.Place, order: str):
    waiting = tuple(Waiting(run=name, devices=("cpu",)) for name in "abc")
    assert "".join(each.run for each in run_queue.moved(waiting, run, place)) == order


def test_a_damaged_queue_is_joined_anew(workspace: Workspace):
    first, second = make_queued(workspace, 1), make_queued(workspace, 2)
    for run in (first, second):
        run_queue.join(workspace, run, ["cpu"])
    (workspace.runs / "queue.json").write_bytes(b"\x00{")
    slot = run_queue.take(workspace, second, ["cpu"])
    assert slot, "who asks first now is first"
    make_alive(second)
    assert run_queue.take(workspace, first, ["cpu"]) is None
    assert [waiting.run for waiting in run_queue.read(workspace).order] == [first.id]


@pytest.mark.parametrize(
    ("training", "waiting", "slots", "seconds"),
    [
        ([], [], 1, 0), ([100], [], 1, 100), ([100], [50], 1, 150), ([100, 30], [50], 2, 80),
        ([100], [50, 60], 2, 100), ([100, 30], [], 1, 100),
    ],
)  # fmt: skip
def test_when_a_turn_comes(training: list[float], waiting: list[float], slots: int, seconds: float):
    assert run_queue.turn_seconds(training, waiting, slots) == seconds


def test_the_estimate_of_a_start_needs_all_who_come_before(workspace: Workspace):
    first, second = make_queued(workspace, 1, eta_seconds=100.0), make_queued(workspace, 2, eta_seconds=None)
    third = make_queued(workspace, 3, eta_seconds=7.0)
    slot = run_queue.take(workspace, first, ["cpu"])
    make_alive(first)
    for run in (second, third):
        run_queue.join(workspace, run, ["cpu"])
    found = run_queue.position(workspace, second)
    assert found and found.training == (first,) and run_queue.start_seconds(found) == 100
    last = run_queue.position(workspace, third)
    assert last and last.place == 2 and last.before == (second,) and run_queue.start_seconds(last) is None
    assert slot
    os.close(slot.descriptor)
