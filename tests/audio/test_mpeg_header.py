"""MP3 files of a varying bit rate whose first frame does not count the others: they are read to their end."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from trainer.audio import audio_file, mpeg_header

SECONDS = 8
PER_FRAME = {8000: 576, 16000: 576, 44100: 1152}


def encoded(rate: int, channels: int, mode: str) -> bytes:
    """A tone, then as long a noise, which needs many more bits."""
    half = rate * SECONDS // 2
    tone, noise = 0.3 * np.sin(np.arange(half) / 9), np.random.default_rng(0).uniform(-0.9, 0.9, half)
    out = io.BytesIO()
    settings = {"compression_level": 0.3, "bitrate_mode": mode}
    with soundfile.SoundFile(out, "w", rate, channels, "MPEG_LAYER_III", format="MP3", **settings) as file:
        file.write(np.stack([np.concatenate([tone, noise])] * channels, 1).astype(np.float32))
    return out.getvalue()


def frames(data: bytes) -> Iterator[bytes]:
    place = 0
    while frame := mpeg_header._frame(data[place : place + 4]):
        yield data[place : place + frame.length]
        place += frame.length


def uncounted(data: bytes) -> list[bytes]:
    return [frame for frame in frames(data) if b"Xing" not in frame and b"Info" not in frame]


ID3 = b"ID3\3\0\0\0\0\1\0" + bytes(128)
TAG = b"TAG" + b"a title".ljust(125, b"\0")


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (44100, 1), (8000, 1), (16000, 2)])
@pytest.mark.parametrize("turned", [False, True], ids=["tone first", "noise first"])
@pytest.mark.parametrize("around", [(b"", b""), (ID3, TAG)], ids=["plain", "tags"])
def test_every_frame_is_heard(tmp_path, rate: int, channels: int, turned: bool, around: tuple[bytes, bytes]):
    parts = uncounted(encoded(rate, channels, "VARIABLE"))
    middle = len(parts) // 2
    parts = parts[middle:] + parts[:middle] if turned else parts
    (tmp_path / "a.mp3").write_bytes(around[0] + b"".join(parts) + around[1])
    wave, facts = audio_file.read(tmp_path / "a.mp3")
    assert facts.length_wrong and abs(len(wave) - len(parts) * PER_FRAME[rate]) <= 2 * PER_FRAME[rate]
    quiet, loud = sorted((wave[: len(wave) // 2].std(), wave[len(wave) // 2 :].std()))
    assert 0.15 < quiet < 0.3 < loud
    assert sum(map(len, audio_file.pieces_16k(tmp_path / "a.mp3"))) == pytest.approx(16000 * len(wave) / rate, abs=2)
    np.testing.assert_allclose(audio_file.part(tmp_path / "a.mp3", 6, 7)[0], wave[6 * rate : 7 * rate], atol=1e-3)


def test_a_constant_rate_or_a_count_needs_no_correction(tmp_path):
    (tmp_path / "counted.mp3").write_bytes(encoded(16000, 1, "VARIABLE"))
    (tmp_path / "constant.mp3").write_bytes(b"".join(uncounted(encoded(16000, 1, "CONSTANT"))))
    for path in tmp_path.iterdir():
        wave, facts = audio_file.read(path)
        assert not facts.length_wrong and len(wave) / 16000 == pytest.approx(SECONDS, abs=0.2)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_long_recording_has_no_holes_between_blocks(tmp_path, rate: int):
    tone = (0.3 * np.sin(np.arange(20 * rate) / 9)).astype(np.float32)
    settings = {"compression_level": 0.3, "bitrate_mode": "VARIABLE"}
    with soundfile.SoundFile(tmp_path / "a.mp3", "w", rate, 1, "MPEG_LAYER_III", format="MP3", **settings) as file:
        file.write(tone)
    wave, _ = audio_file.read(tmp_path / "a.mp3")
    levels = np.sqrt(np.square(wave[: len(wave) // 400 * 400].reshape(-1, 400)).mean(1))
    assert len(wave) > 1 << 18 and levels[10:-10].min() > 0.15


def test_bytes_between_frames_are_passed_over(tmp_path):
    parts = uncounted(encoded(16000, 1, "VARIABLE"))
    (tmp_path / "a.mp3").write_bytes(b"".join(parts[:50]) + bytes(700) + b"".join(parts[50:]))
    assert len(audio_file.read(tmp_path / "a.mp3")[0]) / 16000 == pytest.approx(SECONDS, abs=0.2)
