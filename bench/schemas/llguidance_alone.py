"""What llguidance says of a schema without anything of this project's: for the validator's limited processes."""

from llguidance import LLMatcher

from functions.validation_child import tokenizer


def refusal_alone(schema: str) -> str | None:
    """Its message; None when it builds the grammar and the first mask."""
    try:
        grammar = LLMatcher.grammar_from_json_schema(schema, defaults={"whitespace_flexible": False})
    except ValueError as error:
        return str(error)
    matcher = LLMatcher(tokenizer(), grammar, log_level=0)
    if not matcher.is_error():
        matcher.compute_bitmask()
    return matcher.get_error() if matcher.is_error() else None
