"""Files that could crash, hang or swell the reader cost themselves and nothing else."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from tests.bad_audio import SPECIAL, encoded, fuzzed, write_corpus
from tests.waiting import PATIENCE
from trainer.audio import audio_file, audio_reader
from trainer.dataset import inspector, scan
from trainer.system.workspace import PROJECT_ROOT

MOST_MEMORY = 512 * 1_000_000


def answers(paths: list) -> dict[str, dict]:
    return {paths[place].name: answer for place, answer in scan.inspect_all(paths)}


def test_every_bad_file_is_refused_with_one_reason_and_a_sentence(tmp_path):
    names = write_corpus(tmp_path)
    (tmp_path / "good.wav").write_bytes(encoded())
    found = answers([tmp_path / name for name in [*names, "good.wav"]])
    assert len(names) >= 60 and found.pop("good.wav")["reason"] == ""
    assert {name for name, answer in found.items() if not answer["reason"]} == set()
    for name, answer in found.items():
        assert answer["reason"].isidentifier() and answer["message"].endswith("."), (name, answer)
    assert not any(answer["reason"].startswith("decoder") for answer in found.values())


MEASURE = """
import json, pathlib, resource, sys, time
from trainer.dataset import scan
paths = sorted(pathlib.Path(sys.argv[1]).iterdir())
reasons, slowest, last = {}, 0.0, None
for place, answer in scan.inspect_all(paths):
    now = time.monotonic()
    slowest, last = max(slowest, now - (last or now)), now
    reasons[paths[place].name] = answer["reason"]
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps({"reasons": reasons, "slowest": slowest, "peak": peak}))
"""


def test_2000_damaged_files_each_get_an_answer_in_time_and_memory(tmp_path):
    for name, data in fuzzed(2000, seed=0):
        (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        timeout=PATIENCE,
    )
    found = json.loads(done.stdout)
    assert len(found["reasons"]) == 2000 and sum(map(bool, found["reasons"].values())) > 500
    assert not {"decoder_crash", "decoder_hang"} & set(found["reasons"].values())
    assert found["slowest"] < 2.0 and found["peak"] < MOST_MEMORY


@pytest.fixture
def saboteur(monkeypatch, tmp_path):
    """An inspector whose decoder does what the name of the file says."""
    script = tmp_path / "saboteur.py"
    script.write_text(
        "import os, sys, time\n"
        f"sys.path.insert(0, {str(PROJECT_ROOT)!r})\n"
        "from trainer.dataset import inspector\n"
        "real = inspector.inspect\n"
        "def inspect(path):\n"
        "    if 'crash' in path.name: os.kill(os.getpid(), 11)\n"
        "    if 'hang' in path.name: time.sleep(600)\n"
        "    while 'spin' in path.name: pass\n"
        "    if 'stop' in path.name: os.kill(os.getpid(), 19)\n"
        "    if 'once' in path.name and not os.path.exists(f'{path}.tried'):\n"
        "        open(f'{path}.tried', 'w').close()\n"
        "        os.kill(os.getpid(), 9)\n"
        "    if 'swell' in path.name: bytearray(3 << 30)\n"
        "    return real(path)\n"
        "inspector.inspect = inspect\n"
        "inspector.main()\n"
    )
    monkeypatch.setattr(scan, "COMMAND", [sys.executable, str(script)])
    monkeypatch.setattr(scan, "SECONDS", 0.5)
    monkeypatch.setattr(audio_reader, "STILL_SECONDS", 1.0)


def test_a_crash_or_a_hang_costs_one_file_only(saboteur, tmp_path):
    kinds = ["good", "crash", "good", "hang", "good", "spin", "good", "spin", "crash", "good"]
    names = [f"{number:02d}_{kind}.wav" for number, kind in enumerate(kinds)]
    for name in names:
        (tmp_path / name).write_bytes(encoded())
    found = answers([tmp_path / name for name in names])
    reasons = {"good": "", "crash": "decoder_crash", "hang": "not_answering", "spin": "decoder_hang"}
    assert {name: answer["reason"] for name, answer in found.items()} == {
        name: reasons[name[3:-4]] for name in names
    }  # fmt: skip


def test_each_verdict_says_what_was_measured_and_that_it_was_tried_twice(saboteur, tmp_path):
    for name in ("crash", "hang", "spin"):
        (tmp_path / f"{name}.wav").write_bytes(encoded())
    found = answers(sorted(tmp_path.glob("*.wav")))
    assert {name: answer["message"] for name, answer in found.items()} == {
        "crash.wav": "The decoder crashed on it (-11), twice; convert it again.",
        "hang.wav": "Reading it made no progress for 1 s, as on a disk that does not respond, twice; "
        "check the disk, then "
        "try again.",
        "spin.wav": "Reading it took more than 0.5 s of processor time, twice; record or convert it again.",
    }


def test_a_disk_that_gives_nothing_is_not_waited_for_twice_for_every_file(saboteur, monkeypatch, tmp_path):
    monkeypatch.setattr(audio_reader, "STILL_SECONDS", 0.25)
    count = scan.MOST_SILENT + 2
    for number in range(count):
        (tmp_path / f"hang{number}.wav").write_bytes(encoded())
    asked, second_try = [], scan._second_try
    monkeypatch.setattr(scan, "_second_try", lambda path: asked.append(path) or second_try(path))
    found = answers(sorted(tmp_path.glob("*.wav")))
    assert {answer["reason"] for answer in found.values()} == {"not_answering"} and len(found) == count
    assert len(asked) == scan.MOST_SILENT


def test_what_the_machine_does_to_the_process_once_refuses_no_good_file(saboteur, tmp_path):
    """Ended from outside, as for lack of memory, and tried again."""
    (tmp_path / "once.wav").write_bytes(encoded())
    assert answers([tmp_path / "once.wav"])["once.wav"]["reason"] == ""


@pytest.mark.skipif(sys.platform != "linux", reason="states of processes as Linux tells them")
def test_a_process_that_gets_no_processor_is_waited_for(saboteur, tmp_path):
    """Stopped for longer than any limit, then let go on."""
    (tmp_path / "stop.wav").write_bytes(encoded())
    found = {}
    asking = threading.Thread(target=lambda: found.update(answers([tmp_path / "stop.wav"])))
    asking.start()
    while not (stopped := [each for each in psutil.Process().children() if each.status() == psutil.STATUS_STOPPED]):
        time.sleep(0.05)
    until = time.monotonic() + 3 * audio_reader.STILL_SECONDS
    while time.monotonic() < until:
        assert asking.is_alive() and stopped[0].status() == psutil.STATUS_STOPPED, "it was given up"
        time.sleep(0.05)
    stopped[0].send_signal(signal.SIGCONT)
    asking.join(60)
    assert found["stop.wav"]["reason"] == ""


def test_a_slow_start_is_waited_for(saboteur, tmp_path):
    """Importing takes longer than any file may, of the processor and by the clock."""
    script = Path(scan.COMMAND[1])
    script.write_text("import time\nwhile time.process_time() < 2: pass\n" + script.read_text())
    (tmp_path / "good.wav").write_bytes(encoded())
    assert answers([tmp_path / "good.wav"])["good.wav"]["reason"] == ""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_a_bomb_is_stopped_by_the_limit_of_memory(saboteur, tmp_path):
    (tmp_path / "swell.wav").write_bytes(encoded())
    assert answers([tmp_path / "swell.wav"])["swell.wav"]["reason"] == "decoder_crash"


def children() -> set[int]:
    """The pids of the processes that this one has started."""
    return {child.pid for child in psutil.Process().children()}


def test_leaving_early_ends_the_processes(tmp_path):
    for number in range(200):
        (tmp_path / f"{number}.wav").write_bytes(encoded())
    before = children()  # a reader that another test of this process has left waiting is not of this scan
    asked = scan.inspect_all(sorted(tmp_path.iterdir()))
    next(asked)
    assert children() - before
    asked.close()
    assert not children() - before


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.timeout(10)
def test_what_is_no_regular_file_never_blocks(tmp_path, name: str):
    SPECIAL[name](tmp_path / name)
    assert inspector.inspect(tmp_path / name)["reason"] in ("unreadable", "not_a_file", "vanished")


@pytest.mark.parametrize(("kind", "suffix"), [("WAV", "wav"), ("OGG", "ogg"), ("FLAC", "flac")])
def test_ten_minutes_of_noise_are_a_clip_within_the_limits(tmp_path, kind: str, suffix: str):
    folder, rng = tmp_path / "long", np.random.default_rng(0)
    folder.mkdir()
    with soundfile.SoundFile(folder / f"rain.{suffix}", "w", 48000, 1, format=kind) as out:
        for _ in range(audio_file.LONGEST_SECONDS):
            out.write(rng.uniform(-0.3, 0.3, 48000).astype(np.float32))
    command = [sys.executable, "-c", MEASURE, str(folder)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_ROOT).stdout)
    assert found["reasons"] == {f"rain.{suffix}": ""} and found["peak"] < MOST_MEMORY


def test_a_clip_that_cannot_be_measured_in_memory_says_so(tmp_path, monkeypatch):
    def swell(wave: np.ndarray, sample_rate: int) -> None:
        raise MemoryError

    (tmp_path / "a.wav").write_bytes(encoded())
    monkeypatch.setattr(inspector.measures, "measure", swell)
    assert inspector.inspect(tmp_path / "a.wav")["reason"] == "too_large"


def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path, monkeypatch):
    path, read = tmp_path / "a.wav", audio_file.read
    path.write_bytes(encoded())

    def grow(name):
        found = read(name)
        path.write_bytes(encoded() + b"more")
        return found

    monkeypatch.setattr(inspector.audio_file, "read", grow)
    assert inspector.inspect(path)["reason"] == "changing"


@pytest.mark.parametrize("call", ["open", "pread"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_what_the_system_will_not_read_is_unreadable(tmp_path, monkeypatch, call: str, number: int):
    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a.wav").write_bytes(encoded())
    monkeypatch.setattr(audio_file.os, call, refuse)
    found = inspector.inspect(tmp_path / "a.wav")
    assert found["reason"] == "unreadable" and os.strerror(number) in found["message"]
