"""What vLLM's workers, which are processes of its own, are asked to do beside vLLM's work, by the names of methods."""

from typing import Any

from functions.randomness import seed_from_the_system
from functions.seeded_prompts import keep_generators

WORKER_EXTENSION = "functions.worker_extension.WorkerExtension"
RESEED = "seed_from_the_system"
KEEP_GENERATORS = "keep_generators"


class WorkerExtension:
    """A base that vLLM adds to the class of its workers: they draw the tokens."""

    model_runner: Any

    def seed_from_the_system(self) -> None:
        """Requests without a seed draw what no other process draws."""
        seed_from_the_system()

    def keep_generators(self) -> None:
        """Requests with a seed may have a prompt that is read in several steps."""
        keep_generators(self.model_runner)
