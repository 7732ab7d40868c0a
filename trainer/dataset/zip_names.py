"""File names in zips: the encoding of names whose entries lack the UTF-8 flag."""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence

ENCODINGS = {
    "utf-8": "Unicode",
    "cp932": "Japanese",
    "cp949": "Korean",
    "gbk": "Chinese, simplified",
    "cp950": "Chinese, traditional",
    "cp1251": "Cyrillic, Windows",
    "cp866": "Cyrillic, DOS",
    "koi8-r": "Cyrillic, Unix",
    "cp1252": "Western European, Windows",
    "cp850": "Western European, DOS",
    "cp437": "American, DOS",
    "cp1250": "Central European, Windows",
    "cp852": "Central European, DOS",
}
"""Encodings that zip programs write names in, and whose they are; likelier ones first where two readings are equal."""
UTF8_FLAG = 0x800
UNICODE_PATH = 0x7075
"""Extra field of Info-ZIP with the name in UTF-8: version, CRC-32 of the plain name, the name (APPNOTE 4.6.9)."""
MOST_JUDGED = 500
LEAST_SCORE, LEAST_LEAD = 0.6, 0.3
"""A reading is taken without a question when it scores this much, and this much more than every other one."""
LEAST_KOREAN = 12
"""Characters; a third of those in Chinese text lie behind the Korean syllables."""
_ACCENTED = frozenset("äöüßáàâãåæçéèêëíìîïñóòôõøúùûýœšžčřěůőűąęłńśźżćđÿ")
_RARE = "\U00020000"
"""Ideographs from here on are in hardly any name."""
_PUNCTUATION = frozenset("‘’“”–—…、。・「」（）【】《》〈〉～！？，：　")


class UndecidedNamesError(ValueError):
    """Names that can be read in several ways; `readings` holds an example of each by encoding, the likeliest first."""

    def __init__(self, readings: Mapping[str, str]) -> None:
        self.readings = dict(readings)
        told = "; ".join(f"{encoding}: {example}" for encoding, example in list(self.readings.items())[:6])
        super().__init__(
            f"The zip does not declare the encoding of its file names ({told}). Choose the one that reads correctly: "
            "under File name encoding on the page, or with --names ENCODING on the command line."
        )


def raw_name(entry: zipfile.ZipInfo) -> bytes:
    """The bytes of a name as the zip holds them; zipfile has read them as cp437, in which every byte is a character."""
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & UTF8_FLAG else "cp437")


def _unicode_path(entry: zipfile.ZipInfo, raw: bytes) -> str | None:
    """The name in the Unicode Path field, where there is one that was written for this very name."""
    extra, place = entry.extra, 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        data = extra[place + 4 : place + 4 + size]
        if kind == UNICODE_PATH and len(data) > 5 and data[0] == 1 and data[1:5] == struct.pack("<I", zlib.crc32(raw)):
            try:
                return data[5:].decode()
            except UnicodeDecodeError:
                return None
        place += 4 + size
    return None


def _told(entry: zipfile.ZipInfo) -> str | None:
    """The name where the zip says how to read it, or where it is plain ASCII."""
    raw = raw_name(entry)
    if entry.flag_bits & UTF8_FLAG or raw.isascii():
        return entry.orig_filename
    return _unicode_path(entry, raw)


def check_encoding(encoding: str) -> str:
    """The encoding as given. Raises ValueError when it is unknown, or not one that extends ASCII."""
    try:
        if not encoding or b"a/b.wav".decode(encoding) == "a/b.wav":
            return encoding
    except (LookupError, ValueError):
        pass
    raise ValueError(
        f"{encoding!r:.40} is not a supported encoding of zip file names; choose one of {', '.join(ENCODINGS)}."
    )


def decode(entries: Sequence[zipfile.ZipInfo], encoding: str = "") -> list[str]:
    """The names of these entries, with the separators that they were stored with.

    Names that do not say how they are to be read are read as `encoding`, else all as UTF-8 when they are that, else as
    the one encoding in which they are far likelier than in any other. Raises UndecidedNamesError when there is none,
    ValueError when they are not of the `encoding`.
    """
    told = [_told(entry) for entry in entries]
    unknown = [raw_name(entry) for entry, name in zip(entries, told, strict=True) if name is None]
    if not unknown:
        return [name for name in told if name is not None]
    chosen = check_encoding(encoding) or _decide(unknown)
    try:
        return [
            raw_name(entry).decode(chosen) if name is None else name for entry, name in zip(entries, told, strict=True)
        ]
    except UnicodeDecodeError:
        raise ValueError(f"Some file names in the zip are not valid {chosen}; choose another encoding.") from None


def undecided(entries: Sequence[zipfile.ZipInfo]) -> dict[str, str]:
    """An example of how the names would read, by encoding; empty when it is clear how they are to be read."""
    try:
        decode(entries)
    except UndecidedNamesError as error:
        return error.readings
    return {}


def _decide(names: Sequence[bytes]) -> str:
    """The encoding of these names. Raises UndecidedNamesError."""
    readings = {encoding: texts for encoding in ENCODINGS if (texts := _read(names, encoding)) is not None}
    if any("\x7f" < c < _RARE for text in readings.get("utf-8", []) for c in text):
        return "utf-8"  # other encodings are hardly ever valid UTF-8, but for four letters as one rare character
    scores = {encoding: _score(texts[:MOST_JUDGED], encoding) for encoding, texts in readings.items()}
    ordered = sorted(scores, key=lambda encoding: -scores[encoding])
    best = ordered[0]
    others = [scores[encoding] for encoding in ordered if readings[encoding] != readings[best]]
    if scores[best] >= LEAST_SCORE and scores[best] - max(others, default=0) >= LEAST_LEAD:
        return best
    examples = {encoding: max(readings[encoding][:MOST_JUDGED], key=_letters) for encoding in ordered}
    distinct = {example: encoding for encoding, example in reversed(examples.items())}  # equal texts: the likelier one
    raise UndecidedNamesError({encoding: text for encoding, text in examples.items() if distinct[text] == encoding})


def _letters(text: str) -> int:
    return sum(not character.isascii() for character in text)


def _read(names: Sequence[bytes], encoding: str) -> list[str] | None:
    """The names as text; None when one of them is not of this encoding, or holds what is no character of a name."""
    try:
        texts = [name.decode(encoding) for name in names]
    except UnicodeDecodeError:
        return None
    strange = ("Cc", "Co", "Cn", "Cs")
    return None if any(c > "\x7f" and unicodedata.category(c) in strange for text in texts for c in text) else texts


def _score(texts: Sequence[str], encoding: str) -> float:
    """How likely these texts are names, from 0 to 1: the mean over the bytes that are not of ASCII characters."""
    weights = [part for text in dict.fromkeys(texts) for part in _weights(text, encoding)]
    size = sum(count for count, _ in weights)
    score = sum(count * likely for count, likely in weights) / max(1, size)
    return score / 2 if encoding == "gbk" and _looks_korean(texts) else score


def _looks_korean(texts: Sequence[str]) -> bool:
    """Whether all characters lie where a Korean encoding has its syllables; Chinese text uses what lies behind too."""
    leads = [c.encode("gbk")[0] for text in texts for c in text if not c.isascii()]
    return len(leads) >= LEAST_KOREAN and all(0xB0 <= lead <= 0xC8 for lead in leads)


def _weights(text: str, encoding: str) -> Iterator[tuple[int, float]]:
    """(bytes, likelihood) of the characters that are not ASCII."""
    for word in re.findall(r"[^\W\d_]+|[\W\d_]+", text):
        alphabetic = _likely_word(word)
        for character in word:
            if not character.isascii():
                stored = character.encode(encoding)
                likely = _likely_wide(character, stored, encoding) if len(stored) > 1 else alphabetic
                yield len(stored), likely


def _likely_word(word: str) -> float:
    """How likely a run of letters is a word of a European language: of one script, with capitals where they belong."""
    if not word.isalpha():
        return 0.5 if all(c.isascii() or c in _PUNCTUATION for c in word) else 0.0
    if all("\uff66" <= c <= "\uff9f" for c in word):  # half-width kana
        return 0.5
    foreign = [c for c in word if not c.isascii()]
    cyrillic = [c for c in foreign if "Ѐ" <= c <= "ӿ"]
    if not (word.islower() or word.isupper() or word.istitle()):
        return 0.1
    if cyrillic:
        if len(cyrillic) < len(word):
            return 0.05
        if len(word) > 2 and not word.isupper():
            return 1.0
        return 0.75 if 2 < len(word) < 5 else 0.6  # capitals in one encoding are small letters in another
    if all(c.lower() in _ACCENTED for c in foreign):
        return 1.0 if len(foreign) <= len(word) / 2 else 0.2
    return 0.1


def _likely_wide(character: str, stored: bytes, encoding: str) -> float:
    """How likely a character of two bytes is, by the level that the standard behind the encoding puts it on."""
    lead, trail = stored[0], stored[1]
    if "\u3040" <= character <= "\u30ff":
        return 1.0 if encoding == "cp932" else 0.3
    if not character.isalpha():
        return 0.5 if character in _PUNCTUATION else 0.0
    common = {
        "cp932": 0x88 <= lead <= 0x97,
        "cp949": 0xB0 <= lead <= 0xC8 and trail >= 0xA1,
        "gbk": 0xB0 <= lead <= 0xD7 and trail >= 0xA1,
        "cp950": 0xA4 <= lead <= 0xC6,
    }
    rarer = {
        "cp932": lead <= 0x9F or 0xE0 <= lead <= 0xEA,
        "gbk": lead >= 0xD8 and trail >= 0xA1,
        "cp950": lead >= 0xC9,
    }
    if common.get(encoding):
        return 1.0
    return 0.4 if rarer.get(encoding) else 0.05
