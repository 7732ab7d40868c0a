"""`detect` listens: to raw samples on standard input, and to a sound device where this machine can have one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import bad_audio
from tests.detectors import RATE, sounds
from tests.waiting import PATIENCE
from trainer.system.workspace import PROJECT_ROOT


def started(model: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "trainer", "detect", str(model), *arguments]
    return subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | environment,
    )  # fmt: skip


def samples_of(seconds: float) -> np.ndarray:
    return np.rint(32767 * sounds(seconds)).astype("<i2")


def test_raw_samples_on_standard_input_are_heard_like_a_file(tone_model: Path, tmp_path):
    samples = samples_of(8.05)
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    live, of_file = (
        started(tone_model, "-", "--json", "--scores"),
        started(tone_model, str(tmp_path / "a.wav"), "--json"),
    )
    out, told = live.communicate(samples.tobytes() + b"\0")
    lines, (answer,) = [json.loads(line) for line in out.splitlines()], json.loads(of_file.communicate()[0])
    assert live.returncode == 0 and told.decode().startswith("Listening for tones at threshold 0.5000"), told
    found, scores = ([each for each in lines if ("detected" in each) == wanted] for wanted in (True, False))
    assert [each["time"] for each in found] == [each["time"] for each in answer["detections"]] and len(found) > 1
    assert [each["score"] for each in found] == pytest.approx([each["score"] for each in answer["detections"]])
    assert [each["time"] for each in scores] == [round(0.1 * hop, 4) for hop in range(1, 86)]  # with what comes after


def test_a_detection_runs_a_program_which_never_runs_twice_at_a_time(tone_model: Path, tmp_path):
    script = tmp_path / "my heard.sh"
    script.write_text(
        '#!/bin/sh\necho "$WAKEWORD_LABEL $WAKEWORD_TIME $WAKEWORD_SCORE" | tee -a "$0.log"\n'
        'while [ ! -e "$0.end" ]; do sleep 0.05; done; exit 3\n'
    )
    script.chmod(0o700)
    live = started(tone_model, "-", "--json", "--run", f"'{script}' --loud")
    live.stdin.write(samples_of(8.0).tobytes())
    live.stdin.flush()
    first, _ = [json.loads(live.stdout.readline()) for _ in range(2)]
    (tmp_path / "my heard.sh.end").touch()
    lines = live.communicate()[1].decode().splitlines()
    heard = f"tones {first['time']:.3f} {first['score']:.4f}"
    assert (tmp_path / "my heard.sh.log").read_text().splitlines()[0] == heard and heard in lines
    assert f"{script} still runs since an earlier detection, so it is not started again." in lines
    assert lines[-1] == f"{script} failed with exit code 3." and live.returncode == 0
    for arguments, sentence in [
        (["-", "--run", "no-such-program"], "The program 'no-such-program' was not found."),
        (["a.wav", "--run", "true"], "--run is for live audio: leave out AUDIO, or write - for standard input."),
    ]:
        refused = started(tone_model, *arguments)
        _, told = refused.communicate(b"")
        assert refused.returncode == 2 and told.decode().startswith(sentence) and told.count(b"\n") == 1, told


def test_a_file_with_a_wrong_length_or_cancelling_channels_is_heard_whole_and_told(tone_model: Path, tmp_path):
    samples = samples_of(8.0)
    soundfile.write(tmp_path / "right.wav", samples, RATE)
    soundfile.write(tmp_path / "opposite.flac", np.stack([samples, -samples], 1), RATE)
    (tmp_path / "pipe.wav").write_bytes(bad_audio.wav(data=samples.tobytes(), says=0x7FFFF000))
    names = ["right.wav", "opposite.flac", "pipe.wav"]
    out, _ = started(tone_model, *(str(tmp_path / name) for name in names), "--json").communicate()
    right, opposite, piped = json.loads(out)
    assert right["detections"] and "notes" not in right
    assert opposite["detections"] == piped["detections"] == right["detections"]
    assert opposite["notes"] == ["Its channels cancel each other when mixed; channel 1 is used."]
    assert piped["notes"] == ["Its header gives a wrong length; it is read to the end of the file."]


def test_what_cannot_be_listened_to_is_one_sentence(tone_model: Path):
    piped = started(tone_model, "-")
    _, told = piped.communicate(b"RIFF" + bytes(3000))
    last = told.decode().splitlines()[-1]
    assert piped.returncode == 2 and last.startswith("Standard input is an audio file, not raw samples;"), told
    absent = started(tone_model, "--device", "no such device")
    _, told = absent.communicate()
    last = told.decode().splitlines()[-1]
    assert absent.returncode == 2 and "Traceback" not in told.decode()
    assert "| python -m trainer detect MODEL -." in last or "Choose one with --device" in last, told


def test_a_sound_device_is_listened_to_until_ctrl_c(tone_model: Path, tmp_path):
    """A device of ALSA's own that plays a file into the application."""
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        pytest.skip("there is no PortAudio on this machine")
    if sys.platform != "linux":
        pytest.skip("ALSA is what Linux has")
    samples_of(8.0).tofile(tmp_path / "a.raw")
    (tmp_path / "alsa.conf").write_text(
        f'pcm.tones {{ type file slave.pcm {{ type null }} file "/dev/null" infile "{tmp_path}/a.raw" format "raw" }}\n'
        'pcm.!default { type plug slave.pcm "tones" }\n'  # without one PortAudio aborts
    )
    live = started(tone_model, "--device", "tones", ALSA_CONFIG_PATH=str(tmp_path / "alsa.conf"))
    lines = [live.stdout.readline().decode() for _ in range(2)]
    live.send_signal(signal.SIGINT)
    _, told = live.communicate(timeout=PATIENCE)
    of_file = started(tone_model, "-")
    expected = of_file.communicate(samples_of(8.0).tobytes())[0].decode().splitlines(keepends=True)
    assert lines == expected[:2] and live.returncode == 0 and b"Traceback" not in told, told


def test_bad_files_are_told_and_the_others_heard(tone_model: Path, tmp_path):
    soundfile.write(tmp_path / "good.wav", samples_of(8.0), RATE)
    (tmp_path / "bad.wav").write_text("no audio")
    (tmp_path / "folder.wav").mkdir()
    odd = tmp_path / "odd\udcff.wav"
    odd.write_bytes((tmp_path / "good.wav").read_bytes())
    files = [tmp_path / "bad.wav", tmp_path / "missing.wav", tmp_path / "good.wav", tmp_path / "folder.wav", odd]
    bad = [files[0], files[1], files[3]]
    as_text, as_json = (started(tone_model, *map(str, files), *more) for more in ([], ["--json"]))
    out, told = (stream.decode() for stream in as_text.communicate())
    assert as_text.returncode == 2 and "Traceback" not in told
    assert out.startswith(f"{tmp_path}/good.wav  ") and "detected" in out and out.count("good.wav") > 1
    assert "odd\N{REPLACEMENT CHARACTER}.wav  " in out and not any(str(each) in out for each in bad)
    assert [line.partition(": ")[0] for line in told.splitlines()] == [str(each) for each in bad]
    assert f"{tmp_path}/missing.wav: The file does not exist." in told and "bad.wav: It cannot be decoded" in told
    out, told = as_json.communicate()
    answers = json.loads(out)
    assert as_json.returncode == 2 and len(told.decode().splitlines()) == 3
    assert [each["file"] for each in answers] == [str(each) for each in files]
    assert [sorted(each) for each in answers] == [["error", "file"]] * 2 + [
        ["detections", "file"], ["error", "file"], ["detections", "file"],
    ]  # fmt: skip
    assert answers[2]["detections"] == answers[4]["detections"] != []
