"""Do generated clients compile? openapi-python-client's for Python, openapi-typescript's for TypeScript.

The Python one is imported, module by module, and asked for the health; the TypeScript one is checked by `tsc --strict`
with a program that uses it.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from proofs.product import Product
from proofs.tools import HOME, tool

NODE_PACKAGES = ("openapi-typescript@7.10.1", "typescript@5.9.3")

IMPORT_ALL = """
import importlib, pkgutil, sys
import lift_sys_client
found = list(pkgutil.walk_packages(lift_sys_client.__path__, "lift_sys_client."))
for module in found:
    importlib.import_module(module.name)
print(len(found))
"""
USE = """
import type { paths, components } from "./api";

type Asked = paths["/api/generate"]["post"]["requestBody"]["content"]["application/json"];
type Answer = paths["/api/generate"]["post"]["responses"]["200"]["content"]["application/json"];
type Problem = components["schemas"]["ProblemDocument"];

export const asked: Asked = { prompt: "Name a colour.", choice: ["red", "green"], top_p: 1 };
export const told = (answer: Answer): string => `${answer.text} (${answer.finish_reason})`;
export const why = (problem: Problem): string => `${problem.title}: ${problem.detail}`;
"""


async def prove(server: Product) -> bool:
    """Whether both compile."""
    async with server.client() as client:
        document = (await client.get("/openapi.json")).json()
    print(f"{_operations(document)} operations")
    with TemporaryDirectory() as name:
        directory = Path(name)
        python = await _python(directory, document)
        return await _typescript(directory, document) and python


async def _python(directory: Path, document: object) -> bool:
    source = _written(directory, "openapi.json", json.dumps(document))
    _written(directory, "client.yaml", "package_name_override: lift_sys_client\npost_hooks: []\n")
    arguments = [
        "generate",
        "--path",
        str(source),
        "--config",
        "client.yaml",
        "--output-path",
        "client",
    ]
    generated, text = await _run([str(tool("openapi-python-client")), *arguments], directory)
    print(f"openapi-python-client: {'generated' if generated else 'DOES NOT GENERATE'}")
    if not generated:
        print(text)
        return False
    for left_out in [line for line in text.splitlines() if line.startswith("WARNING")]:
        print(f"  left out: {left_out}")  # the tool knows no bodies but JSON and forms: archives go without it
    compiled, text = await _run([str(tool("python")), "-W", "error", "-c", IMPORT_ALL], directory / "client")
    print(f"  {text.strip()} modules imported" if compiled else f"  DOES NOT IMPORT\n{text}")
    return compiled


async def _typescript(directory: Path, document: object) -> bool:
    if shutil.which("npm") is None:
        print("openapi-typescript: npm is not installed, which this proof needs")
        return False
    node = HOME / "node_modules" / ".bin"
    if not (node / "tsc").exists():
        installed, text = await _run(
            ["npm", "install", "--no-save", "--silent", "--prefix", str(HOME), *NODE_PACKAGES], HOME
        )
        if not installed:
            print(text)
            return False
    source = _written(directory, "openapi.json", json.dumps(document))
    _written(directory, "use.ts", USE)
    generated, text = await _run([str(node / "openapi-typescript"), str(source), "-o", "api.d.ts"], directory)
    print(f"openapi-typescript: {'generated' if generated else text}")
    checked, text = await _run(
        [str(node / "tsc"), "--noEmit", "--strict", "--target", "es2022", "use.ts", "api.d.ts"], directory
    )
    print("  tsc --strict: no errors" if checked else f"  DOES NOT COMPILE\n{text}")
    return generated and checked


async def _run(command: Sequence[str], directory: Path) -> tuple[bool, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode == 0, output.decode(errors="replace")


def _written(directory: Path, name: str, text: str) -> Path:
    file = directory / name
    file.write_text(text)
    return file


def _operations(document: dict[str, dict[str, dict[str, object]]]) -> int:
    return sum(len(path) for path in document["paths"].values())
