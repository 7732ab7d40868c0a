"""Who lives, and who only has the pid of somebody who did."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.waiting import ticks
from trainer.system import processes
from trainer.system.processes import ProcessIdentity
from trainer.system.workspace import PROJECT_ROOT


@pytest.fixture
def sleeper():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield child
    child.kill()
    child.wait()


def until(condition, seconds: float = 5.0) -> bool:
    return any(condition() for _ in ticks(seconds))


def test_a_live_process_is_alive_until_it_is_a_zombie(sleeper):
    identity = processes.identity_of(sleeper.pid)
    assert processes.is_alive(identity)
    sleeper.kill()
    assert until(lambda: not processes.is_alive(identity)), "a zombie that nobody waited for is dead"
    assert sleeper.returncode is None


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot_id": "another boot"}, {"namespaces": "pid:[1]"}])
def test_a_stranger_with_the_same_pid_is_not_it_and_is_never_signalled(sleeper, change):
    stranger = processes.identity_of(sleeper.pid).model_copy(update=change)
    assert not processes.is_alive(stranger)
    assert not processes.send_signal(stranger, signal.SIGKILL)
    time.sleep(0.1)
    assert sleeper.poll() is None


def test_a_suspended_process_is_seen(sleeper):
    identity = processes.identity_of(sleeper.pid)
    assert not processes.is_suspended(identity)
    assert processes.send_signal(identity, signal.SIGSTOP)
    assert until(lambda: processes.is_suspended(identity))
    assert processes.is_alive(identity)


def test_no_process_has_no_identity(sleeper):
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(ProcessLookupError):
        processes.identity_of(sleeper.pid)


def test_a_detached_process_is_nobodys_child_and_of_another_session(tmp_path):
    script = "import os, time; open('out', 'w').write(f'{os.getpid()} {os.getppid()} {os.getsid(0)}'); time.sleep(30)"
    script = script.replace("'out'", repr(str(tmp_path / "out")))
    processes.start_detached(["-c", script], tmp_path / "log", {})
    assert until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text())
    pid, parent, session = map(int, (tmp_path / "out").read_text().split())
    identity = processes.identity_of(pid)
    try:
        assert parent != os.getpid() and session != os.getsid(0)
    finally:
        assert processes.send_signal(identity, signal.SIGKILL)
    assert until(lambda: not processes.is_alive(identity))


def test_a_lock_excludes_threads_and_is_free_when_left(tmp_path):
    order = []

    def second() -> None:
        with processes.exclusive_lock(tmp_path / "lock"):
            order.append("second")

    with processes.exclusive_lock(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_an_identity_reads_back_from_json():
    identity = processes.identity_of(os.getpid())
    assert ProcessIdentity.model_validate_json(identity.model_dump_json()) == identity


def test_a_process_knows_its_age_and_its_own_peak_of_memory():
    big = bytearray(os.urandom(1)) * 300_000_000  # the peak of a child must not be that of its parent
    code = (
        "import time; from trainer.system.processes import *; "
        "time.sleep(0.3); print(age_seconds(), peak_memory_bytes())"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    age, peak = map(float, done.stdout.split())
    assert 0.3 < age < time.monotonic() - began + 0.05 and 1e7 < peak < len(big) < processes.peak_memory_bytes()


def test_a_lock_that_nobody_lets_go_of_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "LOCK_SECONDS", 0.05)
    path = tmp_path / "lock"
    told = pytest.raises(TimeoutError, match="held it for 0 s")
    with processes.exclusive_lock(path), told, processes.exclusive_lock(path):
        pass
