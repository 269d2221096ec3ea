"""Our own tasks. The first of every three in an area is held out: prompts are never tuned on it. Add at the end of an area only."""

from dataclasses import dataclass

from bench.quality.tasks import dates, exceptions, intervals, lists, parsing, strings, validating

_AREAS = (strings, lists, dates, parsing, intervals, validating, exceptions)


@dataclass(frozen=True)
class Task:
    """`checks` are hidden tests, each `call == literal` or `call raises Class`; `reference` passes them.

    `preamble` stands before the candidate in the sandbox, `harness` after it.
    """

    name: str
    prompt: str
    signature: str
    reference: str
    checks: tuple[str, ...]
    held_out: bool
    preamble: str = ""
    harness: str = ""

    @property
    def function(self) -> str:
        return self.signature.removeprefix("def ").partition("(")[0]


def own_tasks() -> list[Task]:
    tasks = []
    for area in _AREAS:
        for number, (prompt, reference, checks) in enumerate(area.TASKS):
            signature = reference.partition(":\n")[0]
            name = f"{area.AREA}/{signature.removeprefix('def ').partition('(')[0]}"
            tasks.append(Task(name, prompt, signature, reference, tuple(checks), number % 3 == 0))
    return tasks
