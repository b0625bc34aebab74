"""What files are taken: by name and content together; names that are fit for any disk."""

import io
import zipfile

import pytest

from escalation.filekinds import BYTES, LONGEST, BadFile, Limits, check, fit_name

PDF = b"%PDF-1.7\n..."
PNG = b"\x89PNG\r\n\x1a\n...."
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)


def package(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in names:
            made.writestr(name, "<x/>")
    return out.getvalue()


DOCX = package("[Content_Types].xml", "word/document.xml")


def named(value: str | bytes) -> str:
    """A test by its file's name alone: packages carry the time at which they were made, which each worker has its own of."""
    return value if isinstance(value, str) else f"{len(value)} bytes"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("现场照片.PNG", PNG),
        ("批复.pdf", PDF),
        ("方案.docx", DOCX),
        ("版式.ofd", package("OFD.xml")),
        ("旧文件.doc", OLE),
        ("说明.txt", "三相不稳\r\n".encode("gb18030")),
        ("表.csv", b"\xef\xbb\xbfa,b\n=1+1,2\n"),
    ],
    ids=named,
)
def test_what_is_what_it_says_is_taken(name: str, data: bytes) -> None:
    file = check(name, data, Limits())
    assert (file.name, file.size, file.data) == (name, len(data), data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("程序.exe", b"MZ\x90"),
        ("照片.png", b"MZ\x90\x00"),
        ("批复.pdf", b"<html><script>alert(1)</script>"),
        ("cod\u202efdp.exe", PDF),
        ("page.html", b"<p>"),
        ("drawing.svg", b"<svg/>"),
        ("宏.docx", package("word/document.xml", "word/vbaProject.bin")),
        ("宏.doc", OLE + "_VBA_PROJECT".encode("utf-16-le")),
        ("断.docx", DOCX[:40]),
        ("假.xlsx", DOCX),
        ("二进制.txt", b"a\x00b"),
        ("空.pdf", b""),
        ("大.pdf", PDF + bytes(1024 * 1024)),
        ("没有类型", PDF),
        ("包.zip", package("a")),
    ],
    ids=named,
)
def test_what_is_not_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(BadFile):
        check(name, data, Limits(megabytes=1))


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        (r"C:\Users\wang\桌面\报告.pdf", "报告.pdf"),
        ("con.txt", "_con.txt"),
        ("LPT1", "_LPT1"),
        ("com¹.tar.gz", "_com¹.tar.gz"),
        ("a\x00b\u200b\u202ec.pdf", "abc.pdf"),
        ('<script>"a|b?*:".pdf', "_script__a_b____.pdf"),
        (" ..报告 . .pdf", "报告.pdf"),
        ("...", "file"),
        ("100%\\.txt", "file.txt"),
        ("", "file"),
        ("字" * 300 + ".pdf", "字" * 76 + ".pdf"),
        ("a" * 300 + ".pdf", "a" * (LONGEST - 4) + ".pdf"),
        ("\ud800.pdf", "_.pdf"),
    ],
)
def test_names_are_fit_for_any_disk(name: str, fit: str) -> None:
    assert fit_name(name) == fit
    assert len(fit.encode()) <= BYTES
    assert fit_name(fit) == fit
