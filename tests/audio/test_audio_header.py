"""Lengths in headers that nobody could fill in, or that count too much: the sound is read to its end, and said so."""

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trainer.audio import audio_file, audio_formats
from trainer.audio.audio_file import AudioRefused

RATE = 16000
TONE = (0.4 * np.sin(np.arange(RATE) / 10)).astype(np.float32)
PCM = np.rint(TONE * 32767).astype("<i2").tobytes()
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.29.100\0"
SPOKEN = audio_file.AudioFacts(1.0, RATE, 1, "WAV", "PCM_16")


def wav(
    data_size: int, riff_size: int | None = None, before: bytes = b"", after: bytes = b"", pcm: bytes = PCM,
    magic: bytes = b"RIFF",
) -> bytes:  # fmt: skip
    """A 16-bit WAV file whose header claims `data_size` bytes of sound and `riff_size` of everything."""
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    body = b"WAVE" + fmt + before + b"data" + struct.pack("<I", data_size) + pcm + after
    return magic + struct.pack("<I", len(body) if riff_size is None else riff_size) + body


def heard(path: Path) -> audio_file.AudioFacts:
    """The facts of a file whose samples are those of TONE, however it is read."""
    wave, facts = audio_file.read(path)
    assert len(wave) == RATE and np.abs(wave - TONE).max() < 1e-4
    np.testing.assert_array_equal(np.concatenate(list(audio_file.pieces_16k(path))), wave)
    np.testing.assert_array_equal(audio_file.part(path, 0.25, 0.75)[0], wave[RATE // 4 : 3 * RATE // 4])
    assert audio_file.facts(path) == facts
    return facts


PLACEHOLDERS = {
    "gstreamer": (0, 0), "ffmpeg": (0xFFFFFFFF, 0xFFFFFFFF), "sox and espeak": (0x7FFFF000, 0x7FFFF024),
    "arecord": (0x7FFFFFFF, 0x7FFFFFFF), "alsa": (0x80000000, 0x80000024), "signed": (0x7FFFFFFF, 0x80000023),
    "less its header": (0xFFFFFFFF - 36, 0xFFFFFFFF), "rounded down": (0xFFFFF000, 0xFFFFFFFF),
    "never closed": (0, 36), "only the data": (0, None), "only riff": (0x7FFFF000, None),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACEHOLDERS)
@pytest.mark.parametrize("around", [(b"", b""), (LIST, b""), (b"", LIST)], ids=["plain", "list before", "list after"])
def test_a_length_that_was_never_filled_in_is_read_to_the_end(tmp_path, name: str, around: tuple[bytes, bytes]):
    data, riff = PLACEHOLDERS[name]
    if name == "only the data" and around[1]:
        pytest.skip("chunks in good order after nothing: see below")
    (tmp_path / "a.wav").write_bytes(wav(data, riff, *around))
    assert heard(tmp_path / "a.wav").length_wrong


@pytest.mark.parametrize("excess", [1, 2, 8, 34, 36, 44, 78, len(LIST) + 8])
@pytest.mark.parametrize("riff", ["with it", "right"])
def test_a_length_that_counts_the_header_in_is_read_to_the_end(tmp_path, excess: int, riff: str):
    before = LIST if excess > 44 else b""
    data = wav(len(PCM) + excess, None, before)
    size = len(data) - 8 + (excess if riff == "with it" else 0)
    (tmp_path / "a.wav").write_bytes(data[:4] + struct.pack("<I", size) + data[8:])
    assert heard(tmp_path / "a.wav").length_wrong


def test_a_right_length_is_believed_and_chunks_behind_it_are_not_sound(tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(len(PCM), None, LIST, LIST))
    assert heard(tmp_path / "a.wav") == SPOKEN
    (tmp_path / "odd.wav").write_bytes(wav(len(PCM) - 1, pcm=PCM[:-1]))  # without the byte that makes it even
    assert len(audio_file.read(tmp_path / "odd.wav")[0]) == RATE - 1
    (tmp_path / "none.wav").write_bytes(wav(0, pcm=LIST))
    with pytest.raises(AudioRefused) as caught:
        audio_file.read(tmp_path / "none.wav")
    assert caught.value.reason == "empty"


ODD = b"LIST" + struct.pack("<I", 13) + b"INFOISFT\1\0\0\0a"


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("claim", [len(PCM), 0, 0x7FFFF000, len(PCM) + 44])
def test_chunks_of_odd_length_without_their_padding_are_read_past(tmp_path, count: int, claim: int):
    (tmp_path / "a.wav").write_bytes(wav(claim, before=ODD * count))
    assert heard(tmp_path / "a.wav").length_wrong == (claim != len(PCM))
    (tmp_path / "a.wav").write_bytes(wav(claim, before=ODD + (ODD + b"\0") * count))
    assert heard(tmp_path / "a.wav").length_wrong == (claim != len(PCM))


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST"])
def test_a_file_that_was_cut_is_refused(tmp_path, kind: str, part: float):
    out = io.BytesIO()
    soundfile.write(out, np.tile(TONE, 20), RATE, "PCM_16", format=kind)
    (tmp_path / "a.wav").write_bytes(out.getvalue()[: int(part * len(out.getvalue()))])
    with pytest.raises(AudioRefused, match="missing at its end; copy or record it again") as caught:
        audio_file.read(tmp_path / "a.wav")
    assert caught.value.reason == "truncated"


def test_a_length_that_ran_over_four_gigabytes_is_not_taken_for_the_whole(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(len(PCM)))
    os.truncate(path, path.stat().st_size + (1 << 32))  # a hole: it takes no room
    for ask in (audio_file.facts, audio_file.read):
        with pytest.raises(AudioRefused, match="longer than its format can declare") as caught:
            ask(path)
        assert caught.value.reason == "too_long"


def changed(kind: str, marker: bytes, offset: int, field: bytes) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, TONE, RATE, "PCM_16", format=kind)
    data = out.getvalue()
    place = data.index(marker) + offset
    return data[:place] + field + data[place + len(field) :]


W64_DATA = b"data\xf3\xac\xd3\x11"
OTHERS = {
    "CAF to the end": changed("CAF", b"data", 4, b"\xff" * 8),
    "AU never closed": changed("AU", b".snd", 8, bytes(4)),
    "RF64 never closed": changed("RF64", b"ds64", 8, bytes(16)),
    "AIFF never closed": changed("AIFF", b"SSND", 4, bytes(4)),
    "AIFF 2 GB": changed("AIFF", b"SSND", 4, b"\x7f\xff\xf0\0"),
    "W64 never closed": changed("W64", W64_DATA, 16, bytes(8)),
    "W64 the largest": changed("W64", W64_DATA, 16, b"\xff" * 7 + b"\x7f"),
    "RF64 the largest": changed("RF64", b"ds64", 16, b"\xff" * 8),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_containers_have_such_lengths_too(tmp_path, name: str):
    (tmp_path / "a.wav").write_bytes(OTHERS[name])
    assert heard(tmp_path / "a.wav").length_wrong


CONTAINERS = [
    ("a.rf64", "RF64", "PCM_16"), ("a.wav", "RF64", "PCM_24"), ("a.w64", "W64", "PCM_16"), ("a.aiff", "AIFF", "PCM_16"),
    ("a.AIF", "AIFF", "FLOAT"), ("a.aifc", "AIFF", "ULAW"), ("a.caf", "CAF", "PCM_16"), ("a.caf", "CAF", "ALAC_16"),
    ("a.au", "AU", "PCM_16"), ("a.SND", "AU", "ULAW"), ("a.wav", "WAVEX", "PCM_24"), ("a.wav", "WAV", "ALAW"),
    ("a.mp3", "MP3", "MPEG_LAYER_III"), ("a.wav", "MP3", "MPEG_LAYER_III"), ("a.opus", "OGG", "OPUS"),
    ("a.wav", "FLAC", "PCM_16"), ("a.mp3", "WAV", "PCM_16"), ("a.sph", "NIST", "PCM_16"), ("a.wav", "NIST", "PCM_16"),
    ("a.wave", "WAV", "PCM_16"), ("recording", "WAV", "PCM_16"), ("a.bak", "OGG", "VORBIS"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "subtype"), CONTAINERS)
def test_whatever_the_decoder_reads_is_taken_by_its_content(tmp_path, name: str, kind: str, subtype: str):
    soundfile.write(tmp_path / name, np.stack([TONE, TONE], 1), RATE, subtype, format=kind)
    wave, facts = audio_file.read(tmp_path / name)
    assert (facts.format, facts.subtype, facts.sample_rate, facts.channels) == (kind, subtype, RATE, 2)
    assert len(wave) == RATE and np.corrcoef(wave[1000:15000], TONE[1000:15000])[0, 1] > 0.98
    assert not facts.notes()
    half = audio_file.part(tmp_path / name, 0.25, 0.75)[0]
    assert np.corrcoef(half, wave[RATE // 4 : 3 * RATE // 4])[0, 1] > 0.98


def test_what_pages_list_is_what_is_read():
    assert set(audio_formats.CODINGS) <= set(soundfile.available_formats())
    for kind, codings in audio_formats.CODINGS.items():
        assert codings & set(soundfile.available_subtypes(kind))
    for named in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU", "RF64", "W64"):
        assert named in audio_formats.NAMES and named in audio_formats.CODINGS


def test_an_ogg_without_its_last_page_is_told(tmp_path):
    soundfile.write(tmp_path / "a.ogg", np.tile(TONE, 20), RATE)
    assert not audio_file.facts(tmp_path / "a.ogg").length_wrong
    data = (tmp_path / "a.ogg").read_bytes()
    (tmp_path / "a.ogg").write_bytes(data[: data.rindex(b"OggS")])
    assert audio_file.facts(tmp_path / "a.ogg").length_wrong
