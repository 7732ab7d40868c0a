"""Names in zips of old tools: read rightly or asked for, and no file is lost over its name."""

import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.bad_audio import encoded
from tests.tiny import ignore
from trainer.dataset import archives, importing
from trainer.dataset.zip_names import UndecidedNamesError
from trainer.system.workspace import Workspace

WAV = encoded()
NAMES = {
    "utf-8": ["ソ", "Müller", "김철수", "иван", "Größe"],
    "cp932": ["ソ", "田中", "表示", "能力", "さくら 1"],
    "cp949": ["김철수", "이영희", "박지성", "안녕하세요"],
    "gbk": ["张三", "录音", "王小明"],
    "cp950": ["許功蓋", "錄音", "林小明"],
    "cp1251": ["Дмитрий", "Голос Анны"],
    "cp866": ["Иван", "ольга"],
    "koi8-r": ["ольга", "Голос Анны"],
    "cp1252": ["Müller", "René"],
    "cp850": ["Jürgen", "François"],
}


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "workspace")
    made.raw.mkdir(parents=True)
    return made


class RawName(zipfile.ZipInfo):
    """An entry whose name is stored in these bytes, without the UTF-8 flag."""

    raw = b""

    def _encodeFilenameFlags(self):
        return self.raw, 0


def zip_of(path: Path, names: list[bytes], extra: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            entry = RawName(str(number))
            entry.raw, entry.extra = name, extra
            archive.writestr(entry, b"" if name.endswith(b"/") else WAV)
    return path


def clips(workspace: Workspace) -> set[str]:
    return {path.relative_to(workspace.raw).as_posix() for path in workspace.raw.rglob("*") if path.is_file()}


@pytest.mark.parametrize("encoding", NAMES)
def test_names_are_read_or_asked_for(workspace, tmp_path, encoding: str):
    """Each alone, as short names tell little: never read wrongly, always among what is offered."""
    for number, name in enumerate(NAMES[encoding]):
        path = f"positive/{name}/{number}.wav"
        packed = zip_of(tmp_path / f"{number}.zip", [b"positive/", path.encode(encoding)])
        try:
            importing.import_zip(workspace, packed, "", ignore)
        except UndecidedNamesError as error:
            assert path in error.readings.values() and encoding not in ("utf-8", "cp932")
            offered = next(each for each, text in error.readings.items() if text == path)
            importing.import_zip(workspace, packed, "", ignore, encoding=offered)
    assert clips(workspace) == {f"positive/{name}/{number}.wav" for number, name in enumerate(NAMES[encoding])}


def test_several_names_decide_what_one_does_not(workspace, tmp_path):
    for encoding in ("cp949", "cp1251", "cp950"):
        names = [f"positive/{name}/{encoding}.wav" for name in NAMES[encoding]]
        packed = zip_of(tmp_path / f"{encoding}.zip", [name.encode(encoding) for name in names])
        importing.import_zip(workspace, packed, "", ignore)
        assert set(names) <= clips(workspace)


def test_the_field_for_names_in_unicode_is_believed_when_it_is_of_this_name(workspace, tmp_path):
    raw, name = b"positive/\xbd\xbf.wav", "positive/né 名.wav"
    field = b"\x01" + struct.pack("<I", zlib.crc32(raw)) + name.encode()
    extra = struct.pack("<HH", 0x7075, len(field)) + field
    importing.import_zip(workspace, zip_of(tmp_path / "a.zip", [raw], extra), "", ignore)
    assert clips(workspace) == {name}
    stale = extra[:5] + bytes(4) + extra[9:]  # the entry was renamed by a tool that does not know the field
    with pytest.raises(UndecidedNamesError):
        importing.import_zip(workspace, zip_of(tmp_path / "b.zip", [raw], stale), "", ignore)


def test_an_encoding_that_was_asked_for_is_used_or_refused(workspace, tmp_path):
    packed = zip_of(tmp_path / "a.zip", ["positive/мир/a.wav".encode("mac-cyrillic"), b"positive/b.wav"])
    importing.import_zip(workspace, packed, "", ignore, encoding="mac-cyrillic")
    assert clips(workspace) == {"positive/мир/a.wav", "positive/b.wav"}
    with pytest.raises(ValueError, match="are not valid utf-8"):
        importing.import_zip(workspace, packed, "", ignore, encoding="utf-8")
    for wrong in ("klingon", "utf-16", "rot13"):
        with pytest.raises(ValueError, match="is not a supported encoding of file names\\. Choose one of utf-8, cp932"):
            importing.import_zip(workspace, packed, "", ignore, encoding=wrong)


def test_a_way_out_that_the_encoding_hides_is_refused(workspace, tmp_path):
    """0x5C ends a character of cp932: it is no separator, and dots behind it lead nowhere."""
    good = zip_of(tmp_path / "a.zip", ["positive/ソ.wav".encode("cp932"), "positive/表../a.wav".encode("cp932")])
    importing.import_zip(workspace, good, "", ignore)
    assert clips(workspace) == {"positive/ソ.wav", "positive/表/a.wav"}
    bad = zip_of(tmp_path / "b.zip", ["positive\\ソ\\..\\..\\a.wav".encode("cp932")])
    with pytest.raises(ValueError, match="outside its folder"):
        importing.import_zip(workspace, bad, "", ignore)


def test_names_that_fall_together_lose_no_file(workspace, tmp_path):
    names = ["ア.wav", "ｱ.wav", "a?.wav", "a.wav", "A.wav", "é.wav", "e\u0301.wav", "?.wav", "*.wav", "-.wav"]
    packed = zip_of(tmp_path / "a.zip", [f"positive/{name}".encode() for name in names])
    made = importing.import_zip(workspace, packed, "", ignore)
    assert len(clips(workspace)) == len(names) == made.counts["positive"] and not made.skipped
    assert made.renamed == 5 and all(name.endswith(".wav") for name in clips(workspace))
    with packed.open("rb") as file:
        assert archives.undecided_names(file) == {}
