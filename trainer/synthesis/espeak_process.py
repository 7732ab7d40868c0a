"""The espeak-ng process: answers JSON lines on standard input with JSON lines on standard output.

    {"do": "speak", "text": "hey atlas", "voice": "en-us+f2", "rate": 160, "pitch": 50, "path": "/tmp/x.wav"}
    {"do": "phonemes", "text": "hey atlas", "voice": "en-us"}      or "ipa": one line with stress marks, or
                                                                   "names": (IPA, the name in espeak-ng) of each

A text in [[double brackets]] consists of names of phonemes.

espeak-ng is licensed under GPL-3, so only this process loads it, and it imports no other module of the project. The
constants are those of its public header speak_lib.h.
"""

from __future__ import annotations

import ctypes
import json
import sys
import wave
from functools import lru_cache
from typing import Any

import espeakng_loader

AUDIO_OUTPUT_SYNCHRONOUS = 2
CHARS_UTF8 = 1
PHONEME_NAMES = 0x100
PARAMETER_RATE = 1
PARAMETER_PITCH = 3
PHONEMES_IPA = 0x02
PALATAL, SILENT = ";", ("|", "!")
PHONEME_SEPARATOR = ord("_") << 8
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Refused(ValueError):
    """A request that cannot be answered; the message becomes the answer."""


def load() -> tuple[ctypes.CDLL, int]:
    """The initialised library and its sample rate in Hz."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    data = str(espeakng_loader.get_data_path()).encode()
    rate: int = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, data, 0)
    if rate <= 0:
        raise Refused("espeak-ng cannot be initialised; reinstall the package espeakng-loader.")
    return library, rate


@lru_cache(maxsize=1)  # it loads the dictionary of the language: 50 ms in Russian, too long for each of many words
def choose_voice(library: ctypes.CDLL, voice: str) -> None:
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise Refused(f"espeak-ng has no voice {voice}.")


def speak(library: ctypes.CDLL, rate: int, request: dict[str, Any]) -> dict[str, Any]:
    """Write the text as a 16-bit WAV file; the answer contains its number of samples."""
    pieces: list[bytes] = []

    def collect(samples: Any, count: int, events: Any) -> int:  # noqa: ANN401 - pointers of C
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    choose_voice.cache_clear()  # each utterance begins with the same state
    choose_voice(library, request["voice"])
    library.espeak_SetParameter(PARAMETER_RATE, request["rate"], 0)
    library.espeak_SetParameter(PARAMETER_PITCH, request["pitch"], 0)
    text = request["text"].encode() + b"\0"
    mode = CHARS_UTF8 | (PHONEME_NAMES if request["text"].startswith("[[") else 0)
    library.espeak_Synth(text, len(text), 0, 0, 0, mode, None, None)
    library.espeak_Synchronize()
    samples = b"".join(pieces)
    with wave.open(request["path"], "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return {"samples": len(samples) // 2}


def _clauses(library: ctypes.CDLL, request: dict[str, Any], mode: int) -> list[str]:
    """The clauses of a text as phonemes."""
    choose_voice(library, request["voice"])
    text = ctypes.c_char_p(request["text"].encode() + b"\0")
    pointer = ctypes.cast(text, ctypes.c_void_p)
    clauses: list[str] = []
    while pointer.value:
        clause = library.espeak_TextToPhonemes(ctypes.byref(pointer), CHARS_UTF8, mode)
        clauses.append((clause or b"").decode())
    return clauses


def _separate(library: ctypes.CDLL, request: dict[str, Any], mode: int) -> list[str]:
    text = "_".join(_clauses(library, request, PHONEME_SEPARATOR | mode)).replace(" ", "_")
    return [phoneme for phoneme in text.split("_") if phoneme]


def phonemes(library: ctypes.CDLL, request: dict[str, Any]) -> dict[str, Any]:
    """The phonemes of the text."""
    return {"phonemes": _separate(library, request, PHONEMES_IPA)}


def names(library: ctypes.CDLL, request: dict[str, Any]) -> dict[str, Any]:
    """Each phoneme of the text in IPA with its name; none when some have no sound, and so no IPA."""
    sounds, named = _separate(library, request, PHONEMES_IPA), list[str]()
    for name in _separate(library, request, 0):
        if name == PALATAL and named:
            named[-1] += name  # IPA has one symbol for both
        elif name not in SILENT:
            named.append(name)
    return {"names": list(zip(sounds, named, strict=True)) if len(sounds) == len(named) else []}


def ipa(library: ctypes.CDLL, request: dict[str, Any]) -> dict[str, Any]:
    """The text as one line with stress marks and spaces between words."""
    return {"ipa": " ".join(_clauses(library, request, PHONEMES_IPA)).strip()}


def main() -> None:
    library, rate = load()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            match request["do"]:
                case "speak":
                    answer = speak(library, rate, request)
                case "ipa":
                    answer = ipa(library, request)
                case "names":
                    answer = names(library, request)
                case _:
                    answer = phonemes(library, request)
        except (Refused, OSError) as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
