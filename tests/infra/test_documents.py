"""What the documents say of settings, secrets and commands is what there is."""

import json
import math
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from modal.cli.entry_point import entrypoint_cli
from pydantic import BaseModel

from infra.settings import AlertSecrets, Secrets, TelemetryExport, load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
OPERATING = (REPOSITORY / "docs" / "operating.md").read_text()
REFERENCE = (REPOSITORY / "docs" / "settings.md").read_text()
DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("**/*.md")])


def leaves(block: BaseModel, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its path, with its value."""
    for name, value in block:
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


SETTINGS = {path: value for path, value in leaves(load_settings("production")) if path != "environment"}


def test_the_reference_has_every_setting_and_no_other_with_its_value():
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \| ", REFERENCE, re.MULTILINE))
    assert rows.keys() == SETTINGS.keys()
    for path, said in rows.items():
        value = SETTINGS[path]
        if value is None:
            assert said == "not set", path
        elif isinstance(value, list | dict):
            assert said == "in the file", path
        else:
            assert json.loads(said.strip("`")) == value, path


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_a_setting_that_is_named_exists(document: Path):
    blocks = {path.partition(".")[0] for path in SETTINGS}
    known = {path[: at.start()] for path in SETTINGS for at in re.finditer(r"\.|$", path)}
    named = re.findall(r"`((?:" + "|".join(blocks) + r")\.[a-z][a-z_.]*[a-z])`", document.read_text())
    assert not [name for name in named if name not in known]


def test_every_secret_is_explained():
    fields = {*Secrets.model_fields, *AlertSecrets.model_fields, *TelemetryExport.model_fields}
    missing = [name.upper() for name in fields if name.upper() not in OPERATING]
    assert not missing


def test_a_secret_that_is_made_has_the_variables_that_are_read():
    read = {name.upper() for model in (Secrets, AlertSecrets, TelemetryExport) for name in model.model_fields}
    made = re.findall(r"modal secret create (?:--env \S+ )(\S+) ((?:.|\\\n)+?)\n", OPERATING.replace("\\\n", " "))
    assert {name for name, _ in made} == {"supabase", "supabase-service", "telemetry", "alerts"}
    for name, variables in made:
        given = set(re.findall(r"\b([A-Z][A-Z_]+)=", variables))
        assert given, name
        assert given <= read, name


def test_the_capacity_table_is_what_its_assumptions_make():
    table = {
        cells[0].strip(): [figure.strip() for figure in cells[1:]]
        for cells in (line.strip("|").split("|") for line in OPERATING.splitlines() if line.startswith("|"))
    }
    generations, tokens, requests, hours = 6, 600, 60, 88
    together, alone, requests_s, window_s, usd = 1000, 40, 50, 300, 2.5
    assert load_settings("production").scaling.scaledown_window_s == window_s
    assert load_settings("production").prices.gpu_usd_per_hour["H100"] == usd
    sizes = [numbers_of(cell)[0] for cell in table["sessions a month"]]
    assert sizes == [500, 5_000, 50_000, 500_000, 5_000_000]
    for column, sessions in enumerate(sizes):
        tokens_s = sessions / hours * generations * tokens / 3600
        needed = math.ceil(tokens_s / together)
        spare = math.ceil(needed / 10) if sessions >= 50_000 else 0
        least = sessions * generations * tokens / together / 3600
        idle_and_alone = sessions * (generations * tokens / alone + window_s) / 3600
        most = min(idle_and_alone, (needed + spare) * 22 * 8)
        busiest = sessions / hours * requests / 3600
        under_way = sessions / hours * generations / 3600 * tokens / alone
        expected = {
            "tokens/s, busiest hour": [tokens_s],
            "engines, busiest hour": [needed, spare] if spare else [needed],
            "GPU hours, full batches ... alone and idling": [least, most],
            "the same in USD at 2.50 an hour": [least * usd, most * usd],
            "requests/s, web containers": [busiest, math.ceil(busiest / requests_s)],
            "generations under way": [max(1.0, under_way)],
            "database after a year": [sessions * 12 * 100e3 / (1e12 if sessions == 5_000_000 else 1e9)],
        }
        for row, figures in expected.items():
            said = numbers_of(table[row][column])
            assert said == pytest.approx(figures, rel=0.07, abs=0.3), (row, sessions)


def numbers_of(cell: str) -> list[float]:
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?(?<!,)", cell)]


def code_of(document: Path) -> list[str]:
    """What stands in backticks, and indented or fenced lines, with those that go on joined."""
    text = document.read_text().replace("\\\n", " ")
    return [*re.findall(r"`([^`]+)`", text), *re.findall(r"^ {4,}(.+)$", text, re.MULTILINE)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_a_command_that_is_named_exists(document: Path):
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = {target for line in re.findall(r"^([a-z -]+):", makefile, re.MULTILINE) for target in line.split()}
    for code in code_of(document):
        for target in re.findall(r"^make ([a-z-]+)", code):
            assert target in targets, code
        for module in re.findall(r"python -m ([a-z_]\w*(?:\.\w+)*)", code):
            assert find_spec(module), code
        for words in re.findall(r"(?:^|\b[A-Z_]+=\S+ |&& )modal ([a-z].*)", code, re.DOTALL):
            command: click.Command = entrypoint_cli
            for word in words.split():
                if isinstance(command, click.Group) and command.commands and not word.startswith("-"):
                    assert word in command.commands, code
                    command = command.commands[word]
            options = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"(?<!\S)--[a-z-]+", words)) <= options, code
