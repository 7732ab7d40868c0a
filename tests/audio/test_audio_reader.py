"""Audio that another process reads: the same samples, and nothing that a file can do to it reaches this one."""

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
import soundfile

from tests.bad_audio import encoded
from tests.waiting import is_gone
from trainer.audio import audio_file, audio_reader
from trainer.audio.audio_formats import AudioRefused
from trainer.system.workspace import PROJECT_ROOT

RATE = 22050


@pytest.fixture
def sound(tmp_path):
    wave = np.random.default_rng(0).uniform(-0.4, 0.4, (12 * RATE, 2))
    soundfile.write(tmp_path / "a.flac", wave, RATE)
    return tmp_path / "a.flac"


def readers() -> set[int]:
    """Processes of this one that read audio."""
    found = set()
    for child in psutil.Process().children():
        try:
            if "trainer.dataset.inspector" in child.cmdline():
                found.add(child.pid)
        except psutil.Error:
            continue
    return found


def test_what_is_read_elsewhere_is_what_is_read_here(sound):
    (wave, facts), (here, facts_here) = audio_reader.read(sound), audio_file.read(sound)
    np.testing.assert_array_equal(wave, here)
    assert facts == facts_here == audio_reader.facts(sound)
    np.testing.assert_array_equal(audio_reader.read(sound, 2)[0], audio_file.read(sound, 2)[0])
    (cut, rate), (cut_here, rate_here) = audio_reader.part(sound, 2.5, 3.5), audio_file.part(sound, 2.5, 3.5)
    np.testing.assert_array_equal(cut, cut_here)
    assert rate == rate_here == RATE
    pieces, pieces_here = list(audio_reader.pieces_16k(sound)), list(audio_file.pieces_16k(sound))
    np.testing.assert_array_equal(np.concatenate(pieces), np.concatenate(pieces_here))
    assert len(pieces) > 1


@pytest.mark.skipif(sys.platform != "linux", reason="children as Linux tells them")
def test_one_warm_process_reads_what_comes_and_refusals_cost_nothing(sound, tmp_path):
    audio_reader.facts(sound)
    warm = readers()
    (tmp_path / "text.wav").write_text("this is no audio")
    for ask in (audio_reader.facts, audio_reader.read, lambda path: list(audio_reader.pieces_16k(path))):
        with pytest.raises(AudioRefused, match="It cannot be decoded"):
            ask(tmp_path / "text.wav")
        with pytest.raises(FileNotFoundError):
            ask(tmp_path / "gone.wav")
    audio_reader.read(sound)
    assert readers() == warm and len(warm) <= audio_reader.MOST_IDLE
    next(audio_reader.pieces_16k(sound)), audio_reader.read(sound)  # left in the middle: that process is of no use


@pytest.fixture
def saboteur(monkeypatch, tmp_path):
    """A reader whose decoder does what the name of the file says."""
    script = tmp_path / "saboteur.py"
    script.write_text(
        "import os, sys, time\n"
        f"sys.path.insert(0, {str(PROJECT_ROOT)!r})\n"
        "from trainer.dataset import inspector\n"
        "real = inspector.audio_file._decoded\n"
        "def decoded(descriptor, change):\n"
        "    name = os.readlink(f'/proc/self/fd/{descriptor}')\n"
        "    if 'crash' in name: os.kill(os.getpid(), 11)\n"
        "    if 'hang' in name: time.sleep(600)\n"
        "    while 'spin' in name: pass\n"
        "    return real(descriptor, change)\n"
        "inspector.audio_file._decoded = decoded\n"
        "inspector.main()\n"
    )
    while not audio_reader._idle().empty():
        audio_reader._idle().get().end()
    monkeypatch.setattr(audio_reader, "COMMAND", [sys.executable, str(script)])
    monkeypatch.setattr(audio_reader, "allowance", lambda path: 0.5)
    monkeypatch.setattr(audio_reader, "STILL_SECONDS", 1.0)
    yield
    while not audio_reader._idle().empty():
        audio_reader._idle().get().end()


@pytest.mark.skipif(sys.platform != "linux", reason="names of open files as Linux tells them")
@pytest.mark.parametrize(
    ("name", "reason"), [("crash", "decoder_crash"), ("hang", "not_answering"), ("spin", "decoder_hang")]
)
def test_a_decoder_that_fails_costs_one_file(saboteur, tmp_path, name: str, reason: str):
    for file in (name, "good"):
        (tmp_path / f"{file}.wav").write_bytes(encoded())
    asks = (
        audio_reader.read,
        lambda path: audio_reader.part(path, 0, 1),
        lambda path: list(audio_reader.pieces_16k(path)),
    )
    for ask in asks:
        with pytest.raises(AudioRefused) as caught:
            ask(tmp_path / f"{name}.wav")
        assert caught.value.reason == reason and str(caught.value).endswith(".")
        assert len(ask(tmp_path / "good.wav"))


@pytest.mark.skipif(sys.platform != "linux", reason="children as Linux tells them")
def test_the_processes_end_with_the_one_that_asked(sound):
    script = (
        "import pathlib, psutil, sys\nfrom trainer.audio import audio_reader\n"
        "pieces = audio_reader.pieces_16k(pathlib.Path(sys.argv[1]))\nnext(pieces)\n"
        "audio_reader.read(pathlib.Path(sys.argv[1]))\n"
        "print(*(child.pid for child in psutil.Process().children()), flush=True)\ninput()\n"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", script, str(sound)], cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert asking.stdout and asking.stdin
    pids = [int(text) for text in asking.stdout.readline().split()]
    os.kill(asking.pid, signal.SIGKILL)
    asking.communicate()
    assert len(pids) == 2 and all(is_gone(pid) for pid in pids)
