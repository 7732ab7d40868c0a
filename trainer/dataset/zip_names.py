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
"""Encodings of names in zips with their scripts; of equal readings, the first wins."""
UTF8_FLAG = 0x800
UNICODE_PATH = 0x7075
"""Extra field of Info-ZIP with the name in UTF-8: version, CRC-32 of the plain name, the name (APPNOTE 4.6.9)."""
MOST_JUDGED = 500
LEAST_SCORE, LEAST_LEAD = 0.6, 0.3
"""A reading is accepted when it scores at least this much, and leads all others by at least this much."""
LEAST_KOREAN = 12
"""Fewest characters to tell Korean from Chinese: a third of Chinese characters are encoded after Korean syllables."""
_ACCENTED = frozenset("äöüßáàâãåæçéèêëíìîïñóòôõøúùûýœšžčřěůőűąęłńśźżćđÿ")
_RARE = "\U00020000"
"""The first of the ideographs that names rarely contain."""
_PUNCTUATION = frozenset("‘’“”–—…、。・「」（）【】《》〈〉～！？，：　")


class UndecidedNamesError(ValueError):
    """The encoding of the names is ambiguous; `readings` has an example name by encoding, the most likely first."""

    def __init__(self, readings: Mapping[str, str]) -> None:
        self.readings = dict(readings)
        shown = "; ".join(f"{encoding}: {example}" for encoding, example in list(self.readings.items())[:6])
        super().__init__(
            f"The zip does not declare the encoding of its file names ({shown}). Choose the one that reads correctly: "
            "under File name encoding on the page, or with --names ENCODING on the command line."
        )


def raw_name(entry: zipfile.ZipInfo) -> bytes:
    """The stored bytes of a name; zipfile decodes them as cp437, which has a character for every byte."""
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & UTF8_FLAG else "cp437")


def _unicode_path(entry: zipfile.ZipInfo, raw: bytes) -> str | None:
    """The name in the Unicode Path field, if its checksum is that of the stored name."""
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


def _declared(entry: zipfile.ZipInfo) -> str | None:
    """The name if the zip declares its encoding or it is ASCII; else None."""
    raw = raw_name(entry)
    if entry.flag_bits & UTF8_FLAG or raw.isascii():
        return entry.orig_filename
    return _unicode_path(entry, raw)


def check_encoding(encoding: str) -> str:
    """Returns the encoding. Raises ValueError when it is unknown or does not extend ASCII."""
    try:
        if not encoding or b"a/b.wav".decode(encoding) == "a/b.wav":
            return encoding
    except (LookupError, ValueError):
        pass
    raise ValueError(
        f"{encoding!r:.40} is not a supported encoding of file names. Choose one of {', '.join(ENCODINGS)}."
    )


def decode(entries: Sequence[zipfile.ZipInfo], encoding: str = "") -> list[str]:
    """The names of these entries, with the separators that they were stored with.

    Names without a declared encoding are decoded as `encoding`; without one, as UTF-8 if all are valid, else as the
    encoding in which they are by far the most likely. Raises UndecidedNamesError when there is none, ValueError when
    they are not valid in `encoding`.
    """
    names = [_declared(entry) for entry in entries]
    unknown = [raw_name(entry) for entry, name in zip(entries, names, strict=True) if name is None]
    if not unknown:
        return [name for name in names if name is not None]
    chosen = check_encoding(encoding) or _decide(unknown)
    try:
        return [
            raw_name(entry).decode(chosen) if name is None else name for entry, name in zip(entries, names, strict=True)
        ]
    except UnicodeDecodeError:
        raise ValueError(f"Some file names in the zip are not valid {chosen}. Choose another encoding.") from None


def undecided(entries: Sequence[zipfile.ZipInfo]) -> dict[str, str]:
    """An example name by encoding; empty when the encoding is clear."""
    try:
        decode(entries)
    except UndecidedNamesError as error:
        return error.readings
    return {}


def _decide(names: Sequence[bytes]) -> str:
    """The encoding of these names. Raises UndecidedNamesError."""
    readings = {encoding: texts for encoding in ENCODINGS if (texts := _read(names, encoding)) is not None}
    if any("\x7f" < c < _RARE for text in readings.get("utf-8", []) for c in text):
        return "utf-8"  # text in other encodings is hardly ever valid UTF-8, except as rare characters of four bytes
    scores = {encoding: _score(texts[:MOST_JUDGED], encoding) for encoding, texts in readings.items()}
    ordered = sorted(scores, key=lambda encoding: -scores[encoding])
    best = ordered[0]
    others = [scores[encoding] for encoding in ordered if readings[encoding] != readings[best]]
    if scores[best] >= LEAST_SCORE and scores[best] - max(others, default=0) >= LEAST_LEAD:
        return best
    examples = {encoding: max(readings[encoding][:MOST_JUDGED], key=_letters) for encoding in ordered}
    distinct = {example: encoding for encoding, example in reversed(examples.items())}  # the first of equal texts
    raise UndecidedNamesError({encoding: text for encoding, text in examples.items() if distinct[text] == encoding})


def _letters(text: str) -> int:
    return sum(not character.isascii() for character in text)


def _read(names: Sequence[bytes], encoding: str) -> list[str] | None:
    """The names as text; None when one is not valid in this encoding or has characters that names do not contain."""
    try:
        texts = [name.decode(encoding) for name in names]
    except UnicodeDecodeError:
        return None
    strange = ("Cc", "Co", "Cn", "Cs")
    return None if any(c > "\x7f" and unicodedata.category(c) in strange for text in texts for c in text) else texts


def _score(texts: Sequence[str], encoding: str) -> float:
    """The likelihood that these texts are names, from 0 to 1: the mean over the bytes of characters outside ASCII."""
    weights = [part for text in dict.fromkeys(texts) for part in _weights(text, encoding)]
    size = sum(count for count, _ in weights)
    score = sum(count * likely for count, likely in weights) / max(1, size)
    return score / 2 if encoding == "gbk" and _looks_korean(texts) else score


def _looks_korean(texts: Sequence[str]) -> bool:
    """Whether all characters are where Korean encodings have their syllables; Chinese text also uses later codes."""
    leads = [c.encode("gbk")[0] for text in texts for c in text if not c.isascii()]
    return len(leads) >= LEAST_KOREAN and all(0xB0 <= lead <= 0xC8 for lead in leads)


def _weights(text: str, encoding: str) -> Iterator[tuple[int, float]]:
    """(bytes, likelihood) of each character outside ASCII."""
    for word in re.findall(r"[^\W\d_]+|[\W\d_]+", text):
        alphabetic = _likely_word(word)
        for character in word:
            if not character.isascii():
                stored = character.encode(encoding)
                likely = _likely_wide(character, stored, encoding) if len(stored) > 1 else alphabetic
                yield len(stored), likely


def _likely_word(word: str) -> float:
    """The likelihood that a run of letters is a word of a European language: one script, and usual capitals."""
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
    """The likelihood of a character of two bytes, by its level in the standard of the encoding."""
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
