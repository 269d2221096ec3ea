"""Source code and archives: what parsers choke on, what unpackers are tricked with, and what must never be run."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Iterator

from proofs.hostile.inputs import Input, request

PYTHON = {
    "parentheses": "x = " + "(" * 5_000 + "1" + ")" * 5_000,
    "lists never closed": "x = " + "[" * 100_000,
    "minus": "x = " + "-" * 50_000 + "1",
    "not": "x = " + "not " * 20_000 + "1",
    "power": "x = 9**9**9**9",
    "a large number": "x = " + "9" * 100_000,
    "nested blocks": "\n".join(" " * i + "if x:" for i in range(500)) + "\n" + " " * 500 + "pass",
    "nested functions": "\n".join(" " * i + f"def f{i}():" for i in range(90)) + "\n" + " " * 90 + "pass",
    "attributes": "x = a" + ".b" * 20_000,
    "calls": "x = a" + "()" * 20_000,
    "f-strings": 'x = f"' + "{" * 2_000 + '"',
    "comprehensions": "x = " + "[a for a in " * 300 + "[]" + "]" * 300,
    "a NUL": "x = 1\0",
    "tabs and spaces": "if x:\n\ty = 1\n        z = 2\n",
    "form feeds": "\f" * 10_000 + "x = 1",
    "a coding line": "# -*- coding: rot13 -*-\nk = 1\n",
    "names in other scripts": "\uff45\uff56\uff41\uff4c('1')\n",
    "a bidirectional comment": "x = 1 # \u202e eval('1')\n",
    "a type comment": "x = [] # type: " + "a[" * 5_000,
    "decorators": "@a\n" * 20_000 + "def f(): pass\n",
    "strings never closed": "'''" + "a" * 50_000,
    "backslashes": "x = 1 \\\n" * 10_000,
    "lambda": "x = " + "lambda: " * 5_000 + "1",
    "match": "match x:\n" + "    case " + "[" * 500 + "]" * 500 + ": pass",
    "a bomb of strings": 'x = "a" * 10**10',
    "imports": "import os; os.system('touch /tmp/lift-sys-owned')\n",
    "semicolons": "x = 1;" * 30_000,
    "lone carriage returns": "x = 1\ry = 2\r",
}
TYPESCRIPT = {
    "generics": "let x: " + "A<" * 5_000 + "B" + ">" * 5_000 + ";",
    "templates": "let x = " + "`${" * 2_000 + "1" + "}`" * 2_000 + ";",
    "braces": "{" * 20_000,
    "arrows": "let x = " + "() => " * 5_000 + "1;",
    "a regex": "let x = /(a+)+$/.test('" + "a" * 50_000 + "!');",
    "unions": "type A = " + " | ".join(f"'{i}'" for i in range(20_000)) + ";",
    "conditional types": "type A<T> = " + "T extends string ? " * 1_000 + "1" + " : 2" * 1_000 + ";",
    "jsx": "let x = " + "<a>" * 3_000 + ";",
}


def inputs() -> Iterator[Input]:
    rules = [{"name": "no eval", "rule": {"type": "forbid_calls", "calls": ["eval"]}}]
    for language, texts in (("python", PYTHON), ("typescript", TYPESCRIPT)):
        for name, text in texts.items():
            checked = {"constraints": {"constraints": rules}, "language": language, "texts": [text]}
            label = f"{language}: {name}"
            yield request(f"check {label}", "code", {200, 400, 422}, path="/api/check", body=checked)
            extension = "py" if language == "python" else "ts"
            mined = {"files": [{"path": f"a.{extension}", "text": text}]}
            yield request(f"extract {label}", "code", {200, 400, 422}, path="/api/extract", body=mined)
            reversed_ = {"source": text, "language": language}
            yield request(f"reverse {label}", "code", {200, 400, 413, 422}, path="/api/reverse", body=reversed_)
    good = {"path": "a.py", "text": "def f() -> int:\n    return 1\n"}
    for path in (
        "../../etc/passwd.py",
        "/etc/passwd.py",
        "C:\\x.py",
        "a\0.py",
        "a" * 1_000 + ".py",
        "\u202e.py",
        "a.py\r\nx: y.py",
    ):
        body = {"files": [good | {"path": path}]}
        yield request(f"extract path {path[:20]!r}", "code", {200, 400, 422}, path="/api/extract", body=body)
    yield request(
        "extract 20,000 files", "code", {200, 400, 413, 422}, path="/api/extract", body={"files": [good] * 20_000}
    )
    for name, (kind, archive) in _archives().items():
        yield request(
            f"archive: {name}",
            "archives",
            {200, 400, 413, 422},
            path="/api/extract",
            body=archive,
            headers={"content-type": kind},
        )


def _archives() -> dict[str, tuple[str, bytes]]:
    zip_, tar, gz = "application/zip", "application/x-tar", "application/gzip"
    archives = {
        "no zip": (zip_, b"PK\x03\x04" + bytes(100)),
        "nothing": (zip_, b""),
        "no tar": (tar, bytes(10_240)),
        "no gzip": (gz, b"\x1f\x8b" + bytes(50)),
        "cut": (zip_, _zip({"a.py": b"x = 1\n" * 1_000})[:-30]),
        "a bomb": (zip_, _zip({"a.py": b"#" * 60_000_000})),
        "a bomb of tar": (gz, _tar({"a.py": b"#" * 60_000_000}, "w:gz")),
        "many bombs": (zip_, _zip({f"a{i}.py": b"#" * 2_000_000 for i in range(60)})),
        "paths that lead out": (
            zip_,
            _zip({"../../a.py": b"x = 1\n", "/etc/a.py": b"x = 1\n", "C:\\a.py": b"x = 1\n"}),
        ),
        "names twice": (zip_, _zip({"a.py": b"x = 1\n"}) + _zip({"a.py": b"y = 1\n"})),
        "a link": (tar, _link(tarfile.SYMTYPE, "/etc/passwd")),
        "a hard link": (tar, _link(tarfile.LNKTYPE, "/etc/passwd")),
        "a device": (tar, _link(tarfile.CHRTYPE, "")),
        "5,000 files": (zip_, _zip({f"d/{i}.py": b"x = 1\n" for i in range(5_000)})),
        "a deep path": (zip_, _zip({"d/" * 1_000 + "a.py": b"x = 1\n"})),
        "binary": (zip_, _zip({"a.py": bytes(range(256)) * 50})),
        "a zip in a zip": (zip_, _zip({"a.zip": _zip({"a.py": b"x"})})),
    }
    linked = io.BytesIO()
    with zipfile.ZipFile(linked, "w") as archive:
        info = zipfile.ZipInfo("a.py")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    archives["a link in a zip"] = (zip_, linked.getvalue())
    return archives


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def _tar(files: dict[str, bytes], mode: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload] # one of its modes
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def _link(kind: bytes, target: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo("a.py")
        info.type, info.linkname = kind, target
        archive.addfile(info)
    return content.getvalue()
