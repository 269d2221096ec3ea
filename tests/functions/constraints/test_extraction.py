import io
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import starlette
from hypothesis import given
from hypothesis import strategies as st

from functions.constraints.extraction import (
    ArchiveRefused,
    Limits,
    SourceFile,
    extract,
    source_files_of_archive,
)

PYTHON = '''\
import math
from collections import abc


def area_of(radius: float) -> float:
    """The area of a circle."""
    if radius < 0:
        raise ValueError("negative")
    return math.pi * radius**2
'''

TYPESCRIPT = """\
import { sum } from "lodash";

/** Adds one. */
export function addOne(value: number): number {
  if (Number.isNaN(value)) { throw new RangeError("no number"); }
  return sum([value, 1]);
}
"""


def numbered(source: str, name: str, times: int) -> str:
    return "\n\n".join(source.replace(name, f"{name}{i}") for i in range(times))


def rules(files: list[SourceFile]) -> dict[str, dict[str, Any]]:
    """The constraints of the only set, by name."""
    (constraint_set,) = extract(files).constraint_sets
    return {constraint["name"]: constraint for constraint in constraint_set["constraints"]}


def test_the_habits_of_python_become_rules_with_their_evidence():
    found = rules([SourceFile("geometry.py", numbered(PYTHON, "area_of", 6))])
    assert re.fullmatch(found["naming-functions"]["rule"]["functions"], "perimeter_of")
    assert not re.fullmatch(found["naming-functions"]["rule"]["functions"], "perimeterOf")
    assert found["naming-functions"]["evidence"][0] == {
        "file": "geometry.py",
        "line": 5,
        "text": "def area_of0(radius: float) -> float:",
    }
    assert found["require-annotations"]["confidence"] == 1.0
    assert found["require-docstring"]["rule"] == {"type": "require_docstring"}
    assert found["allow-imports"]["rule"]["modules"] == ["collections", "math"]
    assert found["max-nesting"]["rule"] == {"type": "max_nesting", "max": 1}
    assert "ValueError" in found["exceptions"]["description"]
    assert "def area_of3(radius: float) -> float" in found["available-functions"]["description"]


def test_the_habits_of_typescript_become_rules():
    found = rules([SourceFile("src/add.ts", numbered(TYPESCRIPT, "addOne", 6))])
    assert re.fullmatch(found["naming-functions"]["rule"]["functions"], "addTwo")
    assert not re.fullmatch(found["naming-functions"]["rule"]["functions"], "add_two")
    assert found["allow-imports"]["rule"]["modules"] == ["lodash"]
    assert found["require-annotations"]["confidence"] == 1.0
    assert "RangeError" in found["exceptions"]["description"]


def test_confidence_is_the_support():
    mixed = numbered("def good_name(x):\n    return x\n", "good_name", 9) + "\n\ndef badName(x):\n    return x\n"
    assert rules([SourceFile("a.py", mixed)])["naming-functions"]["confidence"] == 0.9


def test_a_habit_of_too_few_or_too_mixed_places_is_none():
    few = numbered("def good_name(x):\n    return x\n", "good_name", 4)
    mixed = few + "\n" + numbered("def badName(x):\n    return x\n", "badName", 4)
    assert "naming-functions" not in rules([SourceFile("a.py", few)])
    assert "naming-functions" not in rules([SourceFile("a.py", mixed)])


def test_what_was_called_once_is_not_forbidden():
    quiet = "\n".join(f"f({i})" for i in range(100))
    assert "eval" in rules([SourceFile("a.py", quiet)])["forbid-calls"]["rule"]["calls"]
    assert "eval" not in rules([SourceFile("a.py", quiet + "\neval('1')")])["forbid-calls"]["rule"]["calls"]


def test_a_bare_except_is_seen():
    handlers = "\n".join("try:\n    f()\nexcept ValueError:\n    g()" for _ in range(3))
    functions = numbered("def quiet():\n    pass\n", "quiet", 40)
    assert "bare_except" in rules([SourceFile("a.py", functions + handlers)])["forbid-syntax"]["rule"]["syntax"]
    bare = handlers + "\ntry:\n    f()\nexcept:\n    g()\n"
    assert "bare_except" not in rules([SourceFile("a.py", functions + bare)])["forbid-syntax"]["rule"]["syntax"]


def test_assertions_are_mined_from_tests_alone():
    asserted = "def test_it():\n    assert f(1) == 2\n"
    assert rules([SourceFile("tests/test_f.py", asserted)])["asserted-1"]["source"] == "Test_Mining"
    assert "asserted-1" not in rules([SourceFile("f.py", asserted)])


def test_a_file_that_does_not_parse_is_named_and_spoils_nothing():
    extraction = extract([SourceFile("bad.py", "def f(:\n"), SourceFile("good.py", PYTHON), SourceFile("x.rb", "")])
    assert extraction.files_read == 1
    assert [skip.path for skip in extraction.skipped] == ["bad.py", "x.rb"]
    assert "line 1" in extraction.skipped[0].reason


def test_a_real_package_is_read_whole():
    root = Path(starlette.__file__).parent
    files = [SourceFile(str(path.relative_to(root)), path.read_text()) for path in root.rglob("*.py")]
    extraction = extract(files)
    assert extraction.files_read == len(files)
    assert not extraction.skipped


@given(st.text(alphabet="def f(x):\n    return[]{}'\"#:=,é\0", max_size=200))
def test_no_text_breaks_extraction(text: str):
    extract([SourceFile("a.py", text), SourceFile("a.ts", text)])


def test_deep_nesting_is_no_recursion():
    deep = "(" * 20_000 + ")" * 20_000
    extract([SourceFile("a.py", deep), SourceFile("a.ts", deep)])


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_gives_its_source_files(pack: Any):
    data = pack({"repo/a.py": b"x = 1\n", "repo/README.md": b"#", "repo/node_modules/b.ts": b"let x = 1"})
    files, skipped = source_files_of_archive(data, Limits())
    assert files == [SourceFile("repo/a.py", "x = 1\n")]
    assert not skipped


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("path", ["../../etc/passwd.py", "/etc/passwd.py", "a/../../b.py", "..\\b.py"])
def test_a_path_that_leads_out_is_skipped(pack: Any, path: str):
    files, skipped = source_files_of_archive(pack({path: b"x = 1\n"}), Limits())
    assert not files
    assert len(skipped) == 1


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_over_a_limit_is_refused(pack: Any):
    many = pack({f"{i}.py": b"x = 1\n" for i in range(11)})
    with pytest.raises(ArchiveRefused, match="more than 10 source files"):
        source_files_of_archive(many, Limits(files=10))
    with pytest.raises(ArchiveRefused, match="more than 20 bytes"):
        source_files_of_archive(many, Limits(total_bytes=20))


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_bomb_is_stopped_while_it_unpacks(pack: Any):
    bomb = pack({"bomb.py": b" " * 50_000_000, "fine.py": b"x = 1\n"})
    files, skipped = source_files_of_archive(bomb, Limits())
    assert [file.path for file in files] == ["fine.py"]
    assert "larger than" in skipped[0].reason


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04broken", zipped({"a.py": b"x"})[:-30]])
def test_what_is_no_archive_is_refused(data: bytes):
    with pytest.raises(ArchiveRefused):
        source_files_of_archive(data, Limits())
