"""Files that are clips, and files that are not."""

import os
import socket
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests import bad_audio
from tests.tiny import write_wav
from trainer.audio import audio_file
from trainer.audio.audio_file import AudioRefused

TONE = 0.5 * np.sin(np.arange(16000) / 10)


def wav_bytes(rate: int = 16000, channels: int = 1, data: bytes = b"\1\0" * 8000, says: int | None = None) -> bytes:
    says = len(data) if says is None else says
    fmt = struct.pack("<HHIIHH", 1, channels, rate, 2 * rate * channels % 2**32, 2 * channels, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", says)
        + data
    )


def refusal(path) -> AudioRefused:
    with pytest.raises(AudioRefused) as caught:
        audio_file.read(path)
    assert str(caught.value).endswith("."), "one sentence"
    return caught.value


@pytest.mark.parametrize(
    ("name", "subtype"),
    [("a.wav", "PCM_16"), ("a.wav", "PCM_24"), ("a.wav", "PCM_U8"), ("a.wav", "PCM_32"), ("a.wav", "FLOAT"),
     ("a.WAV", "DOUBLE"), ("a.flac", "PCM_16"), ("a.ogg", "VORBIS"), ("a.ogg", "OPUS")],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2])
def test_every_taken_format_gives_mono_samples(tmp_path, name: str, subtype: str, channels: int):
    wave = np.stack([TONE] * channels, axis=1)
    kind = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG"}[name.split(".")[1].lower()]
    soundfile.write(tmp_path / name, wave, 16000, subtype=subtype, format=kind)
    read, facts = audio_file.read(tmp_path / name)
    assert read.shape == (16000,) and read.dtype == np.float32
    assert (facts.sample_rate, facts.channels, facts.seconds) == (16000, channels, 1.0)
    assert np.corrcoef(read[1000:15000], TONE[1000:15000])[0, 1] > 0.99


def test_other_rates_come_out_at_16_khz(tmp_path):
    time = np.arange(44100) / 44100
    write_wav(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * time), 44100)
    wave = audio_file.read_16k(tmp_path / "a.wav")
    assert abs(len(wave) - 16000) <= 1
    assert np.abs(np.fft.rfft(wave)).argmax() == pytest.approx(440, abs=1)


def test_twelve_bits_and_96_khz_are_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(bad_audio.wav(bits=12, align=2))
    wave, facts = audio_file.read(tmp_path / "a.wav")
    assert (len(wave), facts.subtype) == (8000, "PCM_16")
    write_wav(tmp_path / "b.wav", np.full((9600, 2), 0.1), 96000)
    assert len(audio_file.read_16k(tmp_path / "b.wav")) == 1600


def float_wav(path, value: float) -> None:
    wave = TONE.copy()
    wave[5] = value
    soundfile.write(path, wave, 16000, subtype="FLOAT")


BAD = {
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("this is no audio"),
    "nothing but a header": lambda p: p.write_bytes(wav_bytes()[:36]),
    "no frames": lambda p: p.write_bytes(wav_bytes(data=b"")),
    "cut": lambda p: p.write_bytes(wav_bytes()[:-4000]),
    "cut by half": lambda p: p.write_bytes(wav_bytes()[:-8000]),
    "2 GHz": lambda p: p.write_bytes(wav_bytes(rate=2_000_000_000)),
    "100 Hz": lambda p: p.write_bytes(wav_bytes(rate=100)),
    "no rate": lambda p: p.write_bytes(wav_bytes(rate=0)),
    "no channels": lambda p: p.write_bytes(wav_bytes(channels=0)),
    "64 channels": lambda p: p.write_bytes(wav_bytes(channels=64, data=b"\0" * 12800)),
    "not a number": lambda p: float_wav(p, float("nan")),
    "infinite": lambda p: float_wav(p, float("inf")),
    "far too loud": lambda p: float_wav(p, 1e30),
    "ADPCM": lambda p: soundfile.write(p, TONE, 16000, subtype="MS_ADPCM"),
    "too long": lambda p: soundfile.write(p, np.zeros(4000 * 601), 4000),
    "160 s at 192 kHz": lambda p: soundfile.write(p, np.zeros(192_000 * 160), 192_000, "PCM_U8"),
    "pipe": os.mkfifo,
    "link": lambda p: p.symlink_to("/etc/hostname"),
    "folder": lambda p: p.mkdir(),
}  # fmt: skip
REASONS = {
    "empty": "empty", "text": "damaged", "nothing but a header": "truncated", "no frames": "empty", "cut": "truncated",
    "cut by half": "truncated", "2 GHz": "bad_rate", "100 Hz": "bad_rate", "64 channels": "too_many_channels",
    "not a number": "not_finite", "infinite": "not_finite", "far too loud": "out_of_range",
    "ADPCM": "unsupported_format", "too long": "too_long", "160 s at 192 kHz": "too_long",
    "pipe": "not_a_file", "link": "not_a_file", "folder": "not_a_file",
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.timeout(10)
def test_a_bad_file_is_refused_with_its_reason(tmp_path, kind: str):
    path = tmp_path / "x.wav"
    BAD[kind](path)
    assert refusal(path).reason == REASONS.get(kind, "damaged")


@pytest.mark.timeout(10)
def test_a_socket_is_no_clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("x.wav")
        assert refusal(tmp_path / "x.wav").reason == "not_a_file"


@pytest.mark.parametrize("name", ["notes.txt", "song.m4a", "noending"])
def test_other_kinds_of_files_are_refused_by_name(tmp_path, name: str):
    (tmp_path / name).write_bytes(b"something")
    assert refusal(tmp_path / name).reason == "unsupported_format"


def test_a_lying_flac_header_does_not_take_the_memory(tmp_path):
    path = tmp_path / "x.flac"
    soundfile.write(path, TONE, 16000)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # the number of samples: 36 bits from the middle of this byte on
    data[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert refusal(path).reason == "too_long"


def test_a_damaged_flac_is_refused_not_shortened(tmp_path):
    path = tmp_path / "x.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 48000), 16000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal(path).reason in ("truncated", "damaged")


def test_random_damage_never_crashes_the_reader(tmp_path):
    """In a process of its own: a crash of the decoder is a failure of this test, not its end."""
    script = """
import sys, random, numpy, soundfile, pathlib
from trainer.audio import audio_file
folder, rng = pathlib.Path(sys.argv[1]), random.Random(0)
refused = 0
for suffix, subtype in (("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("ogg", "VORBIS")):
    path = folder / f"x.{suffix}"
    soundfile.write(path, 0.3 * numpy.sin(numpy.arange(8000) / 9), 16000, subtype=subtype)
    whole = path.read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(min(len(data), 400) if rng.random() < 0.5 else len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.randint(1, len(data))] if rng.random() < 0.3 else data)
        try:
            audio_file.read(path)
        except audio_file.AudioRefused:
            refused += 1
print(refused)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


FULL = """
import errno, pathlib, resource, signal, sys, numpy
from trainer.audio import audio_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
path = pathlib.Path(sys.argv[1])
try:
    audio_file.write(path, numpy.random.default_rng(0).uniform(-1, 1, 320_000), 16_000)
except OSError as error:
    print(error.errno == errno.EFBIG and error.filename == str(path))
"""


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_disk_that_takes_no_more_is_an_error_of_the_system_that_names_the_file(tmp_path, name: str):
    """Where libsndfile writes the file it is a RuntimeError, "System error", which no page expects."""
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / name)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_what_is_written_is_read_again(tmp_path, name: str):
    wave = np.random.default_rng(0).uniform(-1, 1, 4000).astype(np.float32)
    audio_file.write(tmp_path / name, wave, 8000)
    found, facts = audio_file.read(tmp_path / name)
    assert (facts.sample_rate, facts.subtype) == (8000, "PCM_16") and np.abs(found - wave).max() < 1e-4
