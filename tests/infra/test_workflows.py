"""What the delivery workflows run exists, in the versions that are installed here, and what they use is pinned."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
SCHEMA = json.loads((Path(__file__).parent / "schemastore" / "github-workflow.json").read_text())
OPERATING = (REPOSITORY / "docs" / "operating.md").read_text()


def jobs_of(file: Path) -> dict[str, Any]:
    jobs: dict[str, Any] = yaml.safe_load(file.read_text())["jobs"]
    return jobs


def commands_of(file: Path) -> list[str]:
    steps = [step for job in jobs_of(file).values() for step in job.get("steps", [])]
    return [line.strip() for step in steps for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_is_one_by_the_schema_of_its_language(file: Path):
    document = yaml.safe_load(file.read_text())
    document["on"] = document.pop(True)  # which YAML 1.1 takes for a truth value, and GitHub does not
    Draft7Validator(SCHEMA).validate(document)
    nowhere = {"jobs": {"one": {"steps": [{"run": "true"}]}}}
    assert not Draft7Validator(SCHEMA).is_valid(document | nowhere), "a job says what it runs on"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_what_is_not_ours_is_pinned(file: Path):
    for used in re.findall(r"^\s*-? ?uses: (.+)$", file.read_text(), re.MULTILINE):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/\w+\.yml", used), used
    for job in jobs_of(file).values():
        assert not str(job.get("runs-on")).endswith("latest")
        assert ":latest" not in str(job.get("container"))
        assert "uses" in job or job["timeout-minutes"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_what_is_run_exists(file: Path):
    for command in commands_of(file):
        for module in re.findall(r"python -m ([\w.]+)", command):
            assert find_spec(module), command
        for path in re.findall(r"(?:^| )((?:infra|\.ci)/[\w./-]+)", command):
            assert (REPOSITORY / path).is_file(), command


def test_what_is_deployed_was_tested_migrated_and_is_tried_in_that_order():
    jobs = jobs_of(REPOSITORY / ".github" / "workflows" / "deploy.yml")
    assert jobs["deploy"]["needs"] == "test"
    commands = commands_of(REPOSITORY / ".github" / "workflows" / "deploy.yml")
    marks = ("infra.migrations", "::prepare", "modal deploy", "infra.smoke", "modal app rollback")
    places = [next(i for i, command in enumerate(commands) if mark in command) for mark in marks]
    assert places == sorted(places)
    rollback = jobs["deploy"]["steps"][-1]
    assert rollback["if"] == "failure() && steps.smoke.outcome == 'failure'"


def test_every_secret_and_variable_is_explained_to_who_sets_it_up():
    names = {name for file in WORKFLOWS for name in re.findall(r"(?:secrets|vars)\.([A-Z_]+)", file.read_text())}
    assert not [name for name in names if name not in OPERATING]
