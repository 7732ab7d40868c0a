"""Supported audio formats: file extensions, signatures, containers and encodings."""

from __future__ import annotations

SAMPLE_RATE = 16000
"""Sample rate in Hz of all audio inside this application and of all that it writes."""


class AudioRefused(ValueError):
    """An audio file that cannot be used: `reason` is a short code, the message a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


_PLAIN = frozenset({"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"})
CODINGS = {
    "WAV": _PLAIN,
    "WAVEX": _PLAIN,
    "RF64": _PLAIN,
    "W64": _PLAIN,
    "AIFF": _PLAIN,
    "AU": _PLAIN,
    "NIST": _PLAIN,
    "CAF": _PLAIN | {"ALAC_16", "ALAC_20", "ALAC_24", "ALAC_32"},
    "FLAC": frozenset({"PCM_S8", "PCM_16", "PCM_24"}),
    "OGG": frozenset({"VORBIS", "OPUS"}),
    "MP3": frozenset({"MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"}),
}
"""Supported containers with their supported codings, as libsndfile names them.

Others are excluded: its decoders for ADPCM, GSM and G.72x have a history of writing out of bounds, and files without a
header, of MATLAB or of a sampler are no recordings.
"""
ESTIMATED = ("MP3", "OGG")
"""Containers whose length in frames the decoder estimates to within a few packets."""

_SUFFIXES_TEXT = """
.wav .wave .bwf .rf64 .w64 .aif .aiff .aifc .caf .au .snd .sph .nist .flac .ogg .oga .opus .mp3 .mp2
"""
SUFFIXES = frozenset(_SUFFIXES_TEXT.split())
"""Extensions of audio files; the content decides about the format."""
NAMES = "WAV, FLAC, OGG, Opus, MP3, AIFF, CAF, AU, RF64 and W64"
"""The formats in a sentence."""
ANY = NAMES.replace(" and ", " or ")
EXAMPLES = "WAV or FLAC"
"""Formats recommended for conversion."""

_SIGNATURES = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"caff", b".snd", b"NIST", b"fLaC", b"OggS", b"ID3")


def has_signature(head: bytes) -> bool:
    """Whether these are the first bytes of an audio file."""
    return head.startswith(_SIGNATURES)


def is_known(suffix: str, head: bytes) -> bool:
    """Whether a file looks like audio by its extension or its first bytes."""
    return suffix.lower() in SUFFIXES or has_signature(head)
