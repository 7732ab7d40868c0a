"""Another user of the machine reads nothing of a workspace, and holds no lock that a training waits for."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.run_folders import end_all
from tests.tiny import make_raw, make_workspace, tiny_config
from tests.waiting import PATIENCE, wait_until
from trainer.config import saved_configs
from trainer.run import launch
from trainer.system import private, processes
from trainer.system.workspace import PROJECT_ROOT, Workspace, open_workspace

STRANGER = 65534
HOLD = """
import fcntl, sys, time
lock = open(sys.argv[1])
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(300)
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def trainer(workspace: Workspace, *arguments: str) -> str:
    """A command line as a user's shell starts it: what it makes may be read by all."""
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "--root", str(workspace.root), *arguments],
        cwd=PROJECT_ROOT, capture_output=True, text=True, umask=0o022, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def workspace():
    """A workspace that every user of the machine can reach, unlike pytest's own folders; what the test itself makes may
    be read by all, also after a test that has drawn a page in this process."""
    before = os.umask(0o022)
    folder = Path(tempfile.mkdtemp(prefix="wakeword-"))
    folder.chmod(0o755)
    made = Workspace(folder)
    yield made
    os.umask(before)
    end_all(made)
    shutil.rmtree(folder)


def test_all_that_a_user_makes_is_for_this_user_alone_and_exports_are_as_the_user_shares(workspace: Workspace):
    make_raw(workspace)
    saved_configs.save(workspace, "mine", tiny_config())
    made_before = set(workspace.root.rglob("*"))
    trainer(workspace, "scan")
    trainer(workspace, "split", "--ratios", "60/20/20")
    trainer(workspace, "train", "mine", "--wait")
    new = [path for path in workspace.root.rglob("*") if path not in made_before]
    wide = [str(path) for path in new if mode(path) & 0o077 and not path.is_symlink()]
    assert len(new) > 30 and not wide
    assert mode(workspace.root / "data") == mode(workspace.runs) == 0o700
    out = workspace.root / "for all"
    trainer(workspace, "export", "latest", str(out))
    assert mode(out) == 0o755 and {mode(path) for path in out.iterdir()} == {0o644}
    trainer(workspace, "pack", "latest", str(out / "run.zip"))
    assert mode(out / "run.zip") == 0o644


def test_a_run_that_another_program_starts_is_private_too(workspace: Workspace):
    """A notebook, or a test, has a umask of its own."""
    make_workspace(workspace.root)
    run = launch.start(workspace, tiny_config(), "mine").run
    wait_until(run, "completed")
    wide = [str(path) for path in (run.folder, *run.folder.rglob("*")) if mode(path) & 0o077]
    assert not wide and mode(workspace.runs) == 0o700


def older_workspace(workspace: Workspace) -> Path:
    """As an earlier version left it; returns the lock of the queue."""
    for folder in (workspace.runs, workspace.jobs, workspace.drafts):
        folder.mkdir(parents=True, exist_ok=True)
    lock = workspace.runs / ".queue.lock"
    lock.touch()
    for path in (lock, *(path for path in workspace.root.rglob("*") if path.is_dir())):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return lock


def test_an_older_workspace_is_closed_when_its_owner_opens_it(workspace: Workspace):
    lock = older_workspace(workspace)
    open_workspace(workspace.root)
    folders = (workspace.runs, workspace.root / "data", workspace.drafts)
    assert {mode(folder) for folder in folders} == {0o700} and mode(workspace.configs) == 0o755
    with processes.exclusive_lock(lock):
        pass
    assert mode(lock) == 0o600


def test_links_and_what_is_another_users_are_left_alone(workspace: Workspace):
    shared = workspace.root / "shared"
    for folder in (shared, workspace.root / "data"):
        folder.mkdir()
        folder.chmod(0o755)
    workspace.runs.symlink_to(shared)
    if os.geteuid() == 0:
        os.chown(workspace.root / "data", STRANGER, STRANGER)
    private.close_workspace(workspace.root)
    assert mode(shared) == 0o755 and mode(workspace.root / "data") == (0o755 if os.geteuid() == 0 else 0o700)


def as_stranger(*command: str) -> list[str]:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can act as a second user")
    return ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *command]


@pytest.fixture
def python():
    """An interpreter that a second user may start; the one of the tests may lie in a home that is closed."""
    for candidate in ("/usr/bin/python3", sys.executable):
        if (
            shutil.which(candidate)
            and not subprocess.run(as_stranger(candidate, "-c", ""), capture_output=True).returncode
        ):
            return candidate
    pytest.skip("no interpreter that a second user may start")


def test_a_second_user_reads_nothing_and_holds_no_lock(workspace: Workspace, python: str):
    (workspace.root / "open.txt").write_text("anybody may read this")
    assert subprocess.run(as_stranger("cat", str(workspace.root / "open.txt"))).returncode == 0
    make_raw(workspace)
    lock = older_workspace(workspace)
    trainer(workspace, "queue")
    for path in (workspace.runs, workspace.root / "data", workspace.raw):
        done = subprocess.run(as_stranger("ls", str(path)), capture_output=True, text=True)
        assert done.returncode != 0 and "Permission denied" in done.stderr
    for path in (lock, next(workspace.raw.rglob("*.wav"))):
        done = subprocess.run(
            as_stranger(python, "-c", HOLD, str(path)), capture_output=True, text=True, timeout=PATIENCE
        )
        assert "PermissionError" in done.stderr and "held" not in done.stdout
    trainer(workspace, "queue", "--slots", "cpu=2")
    assert mode(lock) == 0o600
