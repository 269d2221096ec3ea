"""Constraints: what generated code is held to, compiled to what the decoder enforces."""

from functions.constraints.python_grammar import function_grammar

__all__ = ["function_grammar"]
