"""Supported audio formats: file extensions, signatures, containers and encodings."""

from __future__ import annotations

SAMPLE_RATE = 16000
"""Samples a second of everything that is trained, heard and written, in Hz."""


class AudioRefused(ValueError):
    """A file that is not a usable clip: `reason` is a short code, the message a sentence."""

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
"""Containers that are read and the codings that are read in each, as libsndfile names them.

The others are left out: its decoders for ADPCM, GSM and G.72x have a history of writing out of bounds, and a file
without a header, of MATLAB or of a sampler is no recording.
"""
ESTIMATED = ("MP3", "OGG")
"""Containers whose length in frames is an estimate of the decoder, right to within a few packets."""

_SUFFIXES_TEXT = """
.wav .wave .bwf .rf64 .w64 .aif .aiff .aifc .caf .au .snd .sph .nist .flac .ogg .oga .opus .mp3 .mp2
"""
SUFFIXES = frozenset(_SUFFIXES_TEXT.split())
"""Extensions of audio files; the content decides what a file is."""
NAMES = "WAV, FLAC, OGG, Opus, MP3, AIFF, CAF, AU, RF64 and W64"
"""The formats as pages and messages list them."""
ANY = NAMES.replace(" and ", " or ")
EXAMPLES = "WAV or FLAC"
"""Formats recommended for conversion."""

_SIGNATURES = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"caff", b".snd", b"NIST", b"fLaC", b"OggS", b"ID3")


def has_signature(head: bytes) -> bool:
    """Whether these are the first bytes of an audio file."""
    return head.startswith(_SIGNATURES)


def is_known(suffix: str, head: bytes) -> bool:
    """Whether a file is worth opening, by its ending or by its first bytes."""
    return suffix.lower() in SUFFIXES or has_signature(head)
