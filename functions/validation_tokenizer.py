"""The tokenizer of a model as llguidance takes it, read from its directory without torch or transformers."""

import json
from pathlib import Path
from typing import Any

from llguidance import LLTokenizer


def load_tokenizer(tokenizer_file: Path) -> LLTokenizer:
    """From `tokenizer.json`, with the end-of-sequence token that transformers, and so the engine, takes.

    That is `eos_token` of `tokenizer_config.json`; without one, `eos_token_id` of `generation_config.json` or
    `config.json`. Raises `OSError` or `ValueError`.
    """
    text = tokenizer_file.read_text(encoding="utf-8")
    directory = tokenizer_file.parent
    end = _named_token(_read(directory / "tokenizer_config.json").get("eos_token"), json.loads(text))
    if end is None:
        configured = (_read(directory / name).get("eos_token_id") for name in ("generation_config.json", "config.json"))
        end = next((token for token in configured if token is not None), None)
    if end is None:
        raise ValueError(f"{directory} does not say which token ends a text (eos_token in tokenizer_config.json)")
    return LLTokenizer(text, eos_token=end)


def _named_token(token: Any, tokenizer: dict[str, Any]) -> int | None:
    name = token.get("content") if isinstance(token, dict) else token
    if name is None:
        return None
    added = {entry["content"]: entry["id"] for entry in tokenizer.get("added_tokens", [])}
    vocabulary = tokenizer.get("model", {}).get("vocab", {})
    found = added.get(name, vocabulary.get(name) if isinstance(vocabulary, dict) else None)
    if found is None:
        raise ValueError(f"the tokenizer has no token {name!r}, which tokenizer_config.json names as eos_token")
    return int(found)


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}
