"""What litellm gets as a client, as JSON: run by a test, in a process of its own.

litellm leaves sockets open and warns of its own types, which a test run with warnings as errors cannot have.
Arguments: base URL, API key, model.
"""

import asyncio
import json
import os
import sys
from typing import Any

from pydantic import BaseModel, ConfigDict

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # before the import: else it asks the net for prices
import litellm


class Feeling(BaseModel):
    model_config = ConfigDict(extra="forbid")

    happy: bool


async def main(base_url: str, api_key: str, model: str) -> dict[str, Any]:
    asked = {"model": f"openai/{model}", "api_base": base_url, "api_key": api_key, "num_retries": 0}
    answered = {
        **asked, "messages": [{"role": "user", "content": "I won the race!"}], "max_tokens": 30, "temperature": 0
    }  # fmt: skip
    whole = await litellm.acompletion(**answered)
    stream = await litellm.acompletion(**answered, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    formatted = await litellm.acompletion(**answered, response_format=Feeling)
    tool = {"type": "function", "function": {"name": "tell", "parameters": Feeling.model_json_schema()}}
    called = (await litellm.acompletion(**answered, tools=[tool], tool_choice="required")).choices[0]
    embedded = await litellm.aembedding(**{**asked, "model": "openai/all-MiniLM-L6-v2"}, input=["a text"])
    long = {**answered, "messages": [{"role": "user", "content": "word " * 20_000}]}
    errors = []
    for refused in ({**answered, "api_key": "lsk_wrong"}, long, {**answered, "model": "openai/gpt-4o"}):
        try:
            await litellm.acompletion(**refused)
        except Exception as error:  # noqa: BLE001 - whichever class it is, is what the test asks
            errors.append(type(error).__name__)
    return {
        "text": whole.choices[0].message.content,
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "usage": [chunk.usage.completion_tokens for chunk in chunks if getattr(chunk, "usage", None)],
        "tokens": whole.usage.completion_tokens,
        "formatted": formatted.choices[0].message.content,
        "arguments": called.message.tool_calls[0].function.arguments,
        "finish_reason": called.finish_reason,
        "dimensions": len(embedded.data[0]["embedding"]),
        "errors": errors,
    }


if __name__ == "__main__":
    litellm.suppress_debug_info = True
    sys.stdout.write(json.dumps(asyncio.run(main(*sys.argv[1:]))))
