"""The evaluation's own tasks: solvable, not to be solved by a constant, and unknown to the product's prompts."""

import asyncio
import re
from pathlib import Path

import pytest

from bench.quality.judging import obeys, passes, wrong_solutions
from bench.quality.statistics import wilson
from bench.quality.tasks import Task, own_tasks
from functions.sandbox import ProcessSandbox
from infra.settings import load_settings

PROMPTS = Path(__file__).resolve().parents[2] / "functions" / "prompts"
WORDS_IN_COMMON = 8


def ngrams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + WORDS_IN_COMMON]) for i in range(len(words) - WORDS_IN_COMMON + 1)}


async def test_every_reference_passes_and_no_trivial_solution_does():
    sandbox = ProcessSandbox(load_settings("local").sandbox)

    async def faults(task: Task) -> list[str]:
        passed, seen = await passes(task.reference, task, sandbox)
        found = [] if passed and obeys(task.reference, task.signature) else [f"{task.name}: {seen}"]
        wrong = [text for text in wrong_solutions(task) if (await passes(text, task, sandbox))[0]]
        return found + [f"{task.name} is solved by {text}" for text in wrong]

    assert [fault for found in await asyncio.gather(*map(faults, own_tasks())) for fault in found] == []


def test_a_third_is_held_out_and_names_are_unique():
    tasks = own_tasks()
    assert 0.3 <= sum(task.held_out for task in tasks) / len(tasks) <= 0.36
    assert len({task.name for task in tasks}) == len(tasks)


@pytest.mark.parametrize("prompt", sorted(PROMPTS.glob("*.md")), ids=lambda path: path.name)
def test_no_prompt_of_the_product_contains_a_task(prompt: Path):
    shown = prompt.read_text()
    told = ngrams(shown)
    for task in own_tasks():
        assert not told & ngrams(task.prompt), task.name
        assert f"{task.function}(" not in shown, task.name


def test_the_interval_is_wilsons():
    low, high = wilson(8, 10)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert wilson(0, 0) == (0.0, 1.0)
