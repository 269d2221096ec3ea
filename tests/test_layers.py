"""The rules of imports, and that what a container's image holds is what its code imports."""

import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
REQUIREMENTS = REPOSITORY / "infra" / "requirements"
# Distributions by the names they are imported by, where the two differ.
IMPORTED_AS = {"jwt": "pyjwt", "google": "protobuf", "multipart": "python-multipart"}


def test_imports_go_one_way():
    linter = Path(sys.executable).with_name("lint-imports")
    finished = subprocess.run([linter], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - the project's own linter
    assert finished.returncode == 0, finished.stdout


def test_the_web_tiers_lock_is_what_the_project_requires_at_the_versions_of_the_laptop():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    laptop = locked("local.lock")
    needed = closure([Requirement(line) for line in project["dependencies"]])
    assert locked("web.lock") == {name: laptop[name] for name in needed}


def test_both_images_agree_on_what_they_share():
    web, engine = locked("web.lock"), locked("engine.lock")
    assert {name: engine[name] for name in engine.keys() & web.keys()} == {
        name: web[name] for name in engine.keys() & web.keys()
    }
    assert {"pydantic", "structlog", "opentelemetry-sdk", "llguidance"} <= engine.keys() & web.keys()


@pytest.mark.parametrize(
    ("lock", "starts"),
    [
        ("web.lock", ["endpoints"]),
        (
            "engine.lock",
            [
                "functions.engine",
                "functions.event_batches",
                "functions.engine_remote",
                "functions.snapshots",
                "functions.weights_download",
            ],
        ),
    ],
)
def test_an_image_holds_all_that_its_code_imports(lock: str, starts: list[str]):
    graph = grimp.build_graph("endpoints", "functions", "infra", include_external_packages=True)
    reached: set[str] = set()
    for start in starts:
        for module in {start, *graph.find_descendants(start)}:
            reached |= graph.find_upstream_modules(module)
    outside = {module for module in reached if graph.is_module_squashed(module)} - set(sys.stdlib_module_names)
    packages = {canonicalize_name(IMPORTED_AS.get(name, name)) for name in outside}
    held = {*locked(lock), "modal"}  # which Modal mounts itself, at the version that deploys
    missing = {name for name in packages if not any(h == name or h.startswith(f"{name}-") for h in held)}
    assert not missing


def locked(name: str) -> dict[str, str]:
    requirements = (Requirement(line) for line in (REQUIREMENTS / name).read_text().splitlines() if line[0] != "#")
    return {canonicalize_name(requirement.name): str(requirement.specifier) for requirement in requirements}


def closure(roots: list[Requirement]) -> set[str]:
    """Everything that the installed versions of `roots` require, themselves included."""
    todo, seen = list(roots), set[tuple[str, frozenset[str]]]()
    while todo:
        requirement = todo.pop()
        known = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if known in seen:
            continue
        seen.add(known)
        for line in requires(requirement.name) or []:
            needed = Requirement(line)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(needed)
    return {name for name, _ in seen}
