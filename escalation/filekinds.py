"""What a file is, by its name and by what is in it; the two must agree, and the kind must be one that is allowed. Pure."""

import re
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import NamedTuple

from escalation.errors import UsageError
from workflows.sentence import Several, say

MEGABYTE = 1024 * 1024
#: A name has at most so many characters and bytes; file systems take 255 bytes.
LONGEST, BYTES = 120, 240
#: A package of an office program has no more parts than this.
PARTS = 5_000
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_BARE = re.compile(r"\.[A-Za-z0-9]{1,10}")
_NOT_IN_NAMES = re.compile(r'[<>:"|?*]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)")


class BadFile(UsageError):
    """A file that is not taken: too large, empty, of a kind that is not allowed, or not what its name says."""

    code = "bad_file"


class File(NamedTuple):
    """A file that may be kept. `data` None: its bytes are kept already."""

    name: str
    content_type: str
    size: int
    #: SHA-256 of its bytes, in hexadecimal.
    digest: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a file may be, how many come at once and how large together, and which kinds are allowed."""

    megabytes: int = 20
    together_megabytes: int = 50
    at_once: int = 10
    kinds: frozenset[str] = frozenset(
        "pdf ofd docx xlsx pptx doc xls ppt wps et dps txt csv png jpg jpeg gif webp bmp tif tiff heic dwg".split()
    )


def check(name: str, data: bytes, limits: Limits) -> File:
    """The file under a name that is fit for any disk. Raises BadFile."""
    name = fit_name(name)
    kind = name.rpartition(".")[2].lower() if "." in name else ""
    if kind not in limits.kinds or kind not in KINDS:
        kinds = Several(sorted(limits.kinds & KINDS.keys()))
        hint = say("allowed: {listed}", listed=" ".join(kinds), kinds=kinds)
        raise BadFile(say("{name}: files of this kind are not taken", name=name), hint)
    if not data:
        raise BadFile(say("{name} is empty", name=name), "choose it again")
    if len(data) > limits.megabytes * MEGABYTE:
        raise BadFile(
            say("{name} is larger than {megabytes} MB", name=name, megabytes=limits.megabytes), "make it smaller, or split it"
        )
    content_type, looks_right = KINDS[kind]
    if not looks_right(data):
        raise BadFile(
            say("{name} is not what its name says, or has macros", name=name),
            "save it again under the right kind, without macros",
        )
    return File(name, content_type, len(data), sha256(data).hexdigest(), data)


def fit_name(name: str) -> str:
    """A name without a path, unseen characters, or anything that some system stumbles over; the ending stays."""
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    name = _UNSEEN.sub("", name).replace("\\", "/").rpartition("/")[2]
    name = f"file{name.strip()}" if _BARE.fullmatch(name.strip()) else name
    name = " ".join(_NOT_IN_NAMES.sub("_", name.replace(",", " ")).split()).strip(". ")
    if _RESERVED.match(name):
        name = f"_{name}"
    stem, dot, kind = name.rpartition(".")
    if dot and len(kind) <= 10:
        room = LONGEST - len(kind) - 1
        return f"{_cut(stem.rstrip('. '), room)}.{kind}"
    return _cut(name, LONGEST) or "file"


def _cut(text: str, characters: int) -> str:
    return text[:characters].encode()[: BYTES - 12].decode("utf-8", "ignore").rstrip(". ")


def _begins(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(marks)


def _package(part: str) -> Callable[[bytes], bool]:
    """A zip that an office program has written, with this part in it and no macros."""

    def looks_right(data: bytes) -> bool:
        if not data.startswith(b"PK\x03\x04") or data.count(b"PK\x01\x02") > PARTS:
            return False
        try:
            with zipfile.ZipFile(BytesIO(data)) as package:
                names = package.namelist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            return False
        return part in names and not any(name.lower().endswith("vbaproject.bin") for name in names)

    return looks_right


def _compound(data: bytes) -> bool:
    """The older office programs' files, without macros."""
    return data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") and "_VBA_PROJECT".encode("utf-16-le") not in data


def _text(data: bytes) -> bool:
    """Text in UTF-8, UTF-16 with its mark, or the Chinese encoding."""
    names = ("utf-16",) if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8", "gb18030")
    for name in names:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        return not any(character < " " and character not in "\t\n\r\f" for character in set(text))
    return False


def _riff(data: bytes) -> bool:
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def _heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc")


_JPEG = ("image/jpeg", _begins(b"\xff\xd8\xff"))
_TIFF = ("image/tiff", _begins(b"II*\x00", b"MM\x00*"))
_WORD, _EXCEL, _POINT = "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"
_OPEN = "application/vnd.openxmlformats-officedocument."
#: Every kind that can be allowed: its ending -> what it is called, and whether bytes look like it.
KINDS: dict[str, tuple[str, Callable[[bytes], bool]]] = {
    "pdf": ("application/pdf", lambda data: b"%PDF-" in data[:1024]),
    "ofd": ("application/ofd", _package("OFD.xml")),
    "docx": (f"{_OPEN}wordprocessingml.document", _package("word/document.xml")),
    "xlsx": (f"{_OPEN}spreadsheetml.sheet", _package("xl/workbook.xml")),
    "pptx": (f"{_OPEN}presentationml.presentation", _package("ppt/presentation.xml")),
    "doc": (_WORD, _compound),
    "xls": (_EXCEL, _compound),
    "ppt": (_POINT, _compound),
    "wps": (_WORD, _compound),
    "et": (_EXCEL, _compound),
    "dps": (_POINT, _compound),
    "txt": ("text/plain", _text),
    "csv": ("text/csv", _text),
    "png": ("image/png", _begins(b"\x89PNG\r\n\x1a\n")),
    "jpg": _JPEG,
    "jpeg": _JPEG,
    "gif": ("image/gif", _begins(b"GIF87a", b"GIF89a")),
    "webp": ("image/webp", _riff),
    "bmp": ("image/bmp", _begins(b"BM")),
    "tif": _TIFF,
    "tiff": _TIFF,
    "heic": ("image/heic", _heif),
    "dwg": ("image/vnd.dwg", _begins(b"AC10")),
    "zip": ("application/zip", _begins(b"PK\x03\x04")),
}

assert Limits().kinds <= KINDS.keys()
