"""Answers that can only be code, written in the fence that models write code in where nothing keeps them from it.

Without it a small model writes another text than it would have (docs/benchmarks/quality.md); behind one that it cannot
close, it goes on with tests and explanations.
"""

import re

from functions.generation import Constraint, GenerationRequest

_CLOSING = "\n```"
_START = re.compile(r"^start:", re.MULTILINE)


def fenced(request: GenerationRequest, language: str) -> GenerationRequest:
    """The request, whose constraint is a grammar of `language`, with a fence around the answer and no part of it.

    It is opened for the model, which ends the answer by closing it, or without.
    """
    constraint = request.constraint and _closable(request.constraint)
    changes = {"opening": f"```{language}\n", "closing": _CLOSING, "constraint": constraint}
    return request.model_copy(update=changes)


def _closable(constraint: Constraint) -> Constraint:
    """The grammar, after which the fence may be closed; nothing that it lets be written is changed."""
    renamed = _START.sub("code:", constraint.source, count=1)
    return Constraint(kind=constraint.kind, source=f'start: code "\\n```"?\n{renamed}')
