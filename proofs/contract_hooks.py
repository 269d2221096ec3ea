"""Loaded by schemathesis: keeps what a case costs small. What is refused stays refused, what is written stays short."""

from typing import Any

import schemathesis

SHORT = ("/api/generate", "/v1/chat/completions", "/v1/completions", "/v1/responses")
LENGTHS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
TOKENS = 2


@schemathesis.hook  # type: ignore[untyped-decorator, unused-ignore] # not installed beside the product
def map_body(context: Any, body: Any) -> Any:
    """Lengths that are lengths become small ones; where none is given, the default is a small one."""
    if context.operation.path not in SHORT or not isinstance(body, dict):
        return body
    name = "max_output_tokens" if context.operation.path == "/v1/responses" else "max_tokens"
    asked = {key: body[key] for key in LENGTHS if key in body}
    short = {key: TOKENS if type(value) is int and value > TOKENS else value for key, value in asked.items()}
    body = {name: TOKENS, **body, **short}
    if isinstance(body.get("n"), int) and body["n"] > TOKENS:
        body["n"] = TOKENS
    return body
