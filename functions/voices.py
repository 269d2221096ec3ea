"""The prompts that a request's candidates are written from: several in turn, for one sees what another overlooks.

Two texts of one prompt are alike, and so are their faults. Candidates of different prompts agree by chance less often,
which is what choosing among them by agreement lives on (`candidates.best_of`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from functions.candidates import Candidate
from functions.generation import Message
from functions.ir import IntermediateRepresentation
from functions.prompt_choice import chosen_prompt
from functions.prompting import Prompt, repair_text, request_text, specification_text
from functions.typescript_writing import TYPESCRIPT_PROMPTS, typescript_text
from infra.settings import PromptSettings

# One candidate is written as likely as possible; several have to differ.
SEVERAL_TEMPERATURE = 0.8


@dataclass(frozen=True)
class Voice:
    """A version of a prompt, and what is wanted of it."""

    prompt: Prompt
    wanted: str

    def messages(self, failed: Candidate | None) -> tuple[Message, ...]:
        """The turns up to the model's; with an attempt that `failed`, it is told how."""
        if failed is None:
            return self.prompt.messages(self.wanted)
        return self.prompt.messages(repair_text(self.wanted, failed.code, failed.evidence.failures))


@dataclass(frozen=True)
class Turn:
    """One request to the engine: `number` candidates of a voice, which is `told` of an attempt that failed, or not."""

    voice: Voice
    temperature: float
    number: int
    told: bool = False


def voices_for(
    ir: IntermediateRepresentation, notes: Sequence[str], prompts: PromptSettings, *, guesses: bool = False
) -> list[Voice]:
    """The versions that serve this specification; `notes` say what the constraints ask beyond the grammar.

    What a model has guessed is shown with `guesses` alone: code is written to fit it, right or wrong.
    """
    if ir.metadata.language == "typescript":
        wanted = "\n".join([typescript_text(ir), *notes])
        return [Voice(chosen_prompt(TYPESCRIPT_PROMPTS, wanted), wanted)]
    specification = "\n".join([specification_text(ir, guesses=guesses), *notes])
    request = "\n".join([request_text(ir, guesses=guesses), *notes])
    chosen = [chosen_prompt(weights, specification) for weights in prompts.implement]
    return [Voice(prompt, request if prompt.takes_request else specification) for prompt in chosen]


def turns(voices: Sequence[Voice], candidates: int, round_number: int) -> Iterator[Turn]:
    """`candidates` in all, dealt out to the voices in their order.

    In the first round each voice begins with its likeliest text. In a round of repair half of them are told what
    failed, and half begin anew: a small model that sees an attempt writes it again more often than it mends it
    (T. Olausson et al., Is Self-Repair a Silver Bullet for Code Generation?, 2023).
    """
    for place, voice in enumerate(voices):
        number = len(range(place, candidates, len(voices)))
        told = 0 if round_number == 0 else (number + 1) // 2
        likeliest = min(number, 1) if round_number == 0 else 0
        dealt = (
            Turn(voice, 0.0, likeliest),
            Turn(voice, SEVERAL_TEMPERATURE, told, told=True),
            Turn(voice, SEVERAL_TEMPERATURE, number - told - likeliest),
        )
        yield from (turn for turn in dealt if turn.number)
