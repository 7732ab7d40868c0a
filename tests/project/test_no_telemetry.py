"""Nothing is told to anybody and no file appears but in the workspace, whatever process of ours or of a user runs."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import documented, traced, visit
from tests.corpus_server import READ, corpus_of, declare, read_speech
from tests.run_folders import make_run
from tests.synthesis.test_piper import make_voice
from tests.tiny import make_workspace, tiny_config
from trainer.config import config_file
from trainer.engine.training import journal
from trainer.system.workspace import PROJECT_ROOT, Workspace


@dataclass(frozen=True)
class Stranger:
    """Somebody who never used the app: a home and a folder for temporary files, both empty, and a workspace."""

    workspace: Workspace
    home: Path
    temporary: Path

    def environment(self) -> dict[str, str]:
        kept = {
            name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES") if name in os.environ
        }
        own = {"HOME": self.home, "TMPDIR": self.temporary, "WAKEWORD_ROOT": self.workspace.root}
        return kept | {name: str(path) for name, path in own.items()}

    def runs(self, *command: str | Path, given: bytes = b"", listening: str = "127.0.0.1") -> str:
        """Run a command; fails when it does not succeed, asks for an address beyond loopback but the one that it is to
        listen on, or leaves a file behind outside the workspace. Returns its output."""
        done, asked = traced.run(command, self.home.with_name("calls.log"), self.environment(), given)
        told = f"{' '.join(map(str, command))}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        assert done.returncode == 0, told
        assert [each for each in asked.beyond_loopback() if not each.startswith(f"{listening}:")] == [], told
        assert asked.outside([self.workspace.root, self.temporary]) == [], told
        assert sorted(self.home.rglob("*")) == sorted(self.temporary.rglob("*")) == [], told
        return done.stdout.decode()

    def verb(self, *arguments: str | Path) -> str:
        return self.runs(sys.executable, "-m", "trainer", *arguments)


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    made = Stranger(Workspace(tmp_path / "workspace"), tmp_path / "home", tmp_path / "temporary")
    for folder in (made.workspace.root, made.home, made.temporary):
        folder.mkdir()
    return made


def test_training_and_what_is_made_of_it(stranger: Stranger):
    """Supervisor, trainer, export, probe, jobs, evaluation, detection, and the documented program."""
    workspace = make_workspace(stranger.workspace.root)
    workspace.configs.mkdir()
    (workspace.configs / "tiny.yaml").write_bytes(config_file.dump(tiny_config(epochs=1)))
    stranger.verb("scan", "--job")
    stranger.verb("preview", "tiny", "positive/voice0/0.wav")
    stranger.verb("probe", "tiny", "--job")
    stranger.verb("train", "tiny", "--wait")
    stranger.verb("evaluate", "latest")
    model = workspace.root / "model"
    stranger.verb("export", "latest", model, "--int8")
    recording = workspace.raw / "positive/voice0/0.wav"
    assert '"detections"' in stranger.verb("detect", model, recording, "--json")
    code = documented.program(documented.LISTEN_PAGE)
    program = stranger.workspace.root / "listen.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(PROJECT_ROOT)!r})\n{code}")
    stranger.runs(sys.executable, program, model, given=recording.read_bytes()[44:])


def test_synthesis(stranger: Stranger):
    """espeak-ng, voices of Piper, rooms, noise and lists of words."""
    make_voice(stranger.workspace.root / "voices", "hum")
    stranger.verb("demo", "--positives", "20")
    stranger.verb("synthesise", "--phrase", "hello", "--positives", "4", "--piper", stranger.workspace.root / "voices")


def test_public_sound_from_a_folder(stranger: Stranger):
    """The list and an installation from a folder ask nobody."""
    workspace, archive = stranger.workspace, read_speech(clips=1)
    declare(workspace, corpus_of(archive, "http://192.0.2.1/dev-clean.tar.gz"))
    (workspace.root / "shelf").mkdir()
    (workspace.root / "shelf" / "dev-clean.tar.gz").write_bytes(archive)
    assert READ in stranger.verb("corpora")
    assert "Installed" in stranger.verb("corpora", "get", READ, "--from", workspace.root / "shelf")


@pytest.mark.parametrize("listening", ["127.0.0.1", "0.0.0.0"])
def test_the_server_and_tensorboard(listening: str, stranger: Stranger):
    """Every page is drawn, and a stranger's page tries to reach the server."""
    workspace = make_workspace(stranger.workspace.root)
    run = make_run(workspace)
    journal.open_event_file(run)
    told = stranger.runs(sys.executable, "-m", "tests.visit", listening, listening=listening).splitlines()
    assert told == [*(page or "Home" for page in visit.PAGES), f'["{run.id}/tensorboard"]']


LEAK = """
import socket, sys
from contextlib import suppress
from pathlib import Path
Path(sys.argv[1]).write_text("an id")
with suppress(OSError):
    socket.create_connection(("192.0.2.1", 443), timeout=1)
with suppress(OSError):
    socket.getaddrinfo("telemetry.example", 443)
"""


@pytest.mark.parametrize("by_strace", [True, False])
def test_a_program_that_tells_somebody_is_caught(by_strace: bool, stranger: Stranger, tmp_path):
    """In a child of a child, as the app's processes are."""
    if by_strace and not traced.has_strace():
        pytest.skip("strace is missing or may not trace here")
    program, left = tmp_path / "leak.py", stranger.home / ".id"
    program.write_text(LEAK)
    command = (
        sys.executable,
        "-c",
        f"import os; os.spawnl(os.P_WAIT, {sys.executable!r}, 'python', {str(program)!r}, {str(left)!r})",
    )
    _, asked = traced.run(command, tmp_path / "calls.log", stranger.environment(), by_strace=by_strace)
    assert "192.0.2.1:443" in asked.beyond_loopback() and len(asked.beyond_loopback()) > 1
    assert asked.outside([stranger.workspace.root]) == [str(left)]
