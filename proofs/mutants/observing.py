"""What a trial changes about a run of pytest, and what it notes of it."""

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import coverage
import pytest

OUTSIDE = ""
"""The context of lines that run at import, or while tests are collected."""


def _lent(lent: dict[str, Any]) -> SimpleNamespace:
    """A plugin with the fixtures of a Postgres that is there already."""

    @pytest.fixture(scope="session")
    def postgres() -> Any:
        from infra.local.postgres import EmbeddedPostgres  # noqa: PLC0415 - the copy that is under test

        return EmbeddedPostgres(Path(lent["directory"]), lent["port"], durable=False)

    @pytest.fixture(scope="session")
    def template_database() -> str:
        return str(lent["template"])

    return SimpleNamespace(postgres=postgres, template_database=template_database)


class Observer:
    """Runs `only` these tests, in this order, where given; notes which ran which line of what is `measured`."""

    def __init__(
        self, lent: dict[str, Any], *, only: Sequence[str] | None = None, measured: Sequence[str] | None = None
    ) -> None:
        self._lent = lent
        self._only = None if only is None else {name: place for place, name in enumerate(only)}
        self._measured = measured
        self._seconds: dict[str, float] = {}
        self._failed: list[str] = []
        self._coverage = None
        if measured:
            self._coverage = coverage.Coverage(
                data_file=None,
                branch=True,
                include=[str(Path(name).absolute()) for name in measured],
                config_file=False,
            )
            self._coverage.exclude(r"^\s*\.\.\.$|: \.\.\.$|if TYPE_CHECKING:")
            self._coverage.start()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        # Of fixtures with one name that belong to no directory the one registered last is taken.
        session.config.pluginmanager.register(_lent(self._lent))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if "engine" not in getattr(item, "fixturenames", ())]
        if self._only is not None:
            only = self._only
            items[:] = sorted((item for item in items if item.nodeid in only), key=lambda item: only[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        if self._coverage is not None:
            self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.monotonic() - began
            if self._coverage is not None:
                self._coverage.switch_context(OUTSIDE)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.append(report.nodeid)

    def result(self) -> dict[str, Any]:
        """Seconds of each test, which failed, and the coverage of each measured module."""
        result: dict[str, Any] = {"tests": self._seconds, "failed": self._failed}
        if self._coverage is not None and self._measured is not None:
            self._coverage.stop()
            result["coverage"] = {name: self._coverage_of(name) for name in self._measured}
        return result

    def _coverage_of(self, name: str) -> dict[str, Any]:
        """`partial` are lines from which not every way was taken; `lines` names the tests that ran each line."""
        assert self._coverage is not None
        path = str(Path(name).absolute())
        analysis = self._coverage._analyze(path)  # noqa: SLF001 - the public methods tell no branches
        numbers = analysis.numbers
        return {
            "statements": numbers.n_statements,
            "missing": sorted(analysis.missing),
            "branches": numbers.n_branches,
            "missing_branches": numbers.n_missing_branches,
            "partial": {str(line): ways for line, ways in sorted(analysis.missing_branch_arcs().items())},
            "percent": 100 * (1 - numbers.n_missing_branches / numbers.n_branches) if numbers.n_branches else 100.0,
            "lines": {str(line): tests for line, tests in self._coverage.get_data().contexts_by_lineno(path).items()},
        }
