"""What is asked: the same requests of every server, no prompt twice in a run: no cache answers for an engine."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from functions.ir import decoding_schema
from functions.prompting import load_prompt

Body = dict[str, Any]
STORY_TOKENS = 64
RECORD_TOKENS = 96
QUERY_TOKENS = 64
SPECIFICATION_TOKENS = 160

RECORD = {
    "type": "object",
    "properties": {
        "customer": {"type": "string", "maxLength": 24},
        "priority": {"enum": ["low", "normal", "urgent"]},
        "items": {
            "type": "array",
            "minItems": 3,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {
                    "product": {"type": "string", "maxLength": 20},
                    "quantity": {"type": "integer", "minimum": 1, "maximum": 99},
                    "is_gift": {"type": "boolean"},
                },
                "required": ["product", "quantity", "is_gift"],
                "additionalProperties": False,
            },
        },
        "delivery_address": {"type": "string", "maxLength": 40},
    },
    "required": ["customer", "priority", "items", "delivery_address"],
    "additionalProperties": False,
}

QUERY = r"""
start: "SELECT " column ("," " " column)* " FROM " table (" WHERE " condition (" AND " condition)*)? ";"
column: "name" | "price" | "colour" | "weight" | "country" | "year" | "stock"
table: "products" | "orders" | "customers" | "suppliers"
condition: column " " ("=" | "<" | ">" | "<>") " " value
value: /[0-9]{1,6}/ | /'[a-z ]{1,20}'/
"""

_PLACES = ("harbour", "market", "mountain village", "lighthouse", "railway station", "library", "desert camp", "island")
_WISHES = ("a quiet evening", "an old map", "work for the winter", "a lost brother", "dry shoes", "a letter", "salt")
_TASKS = (
    "Return the sum of the even numbers in a list of integers.",
    "Count how often each word occurs in a text.",
    "Say whether a number is prime.",
    "Merge two sorted lists into one sorted list.",
    "Reverse the words of a sentence.",
    "Give the longest word of a text.",
    "Remove duplicates from a list and keep the order.",
    "Convert a temperature from Celsius to Fahrenheit.",
)


def story(number: int) -> Body:
    """Free text: about 100 tokens of a prompt."""
    place, wish = _PLACES[number % 8], _WISHES[number % 7]
    text = (
        f"Traveller {number} comes to a {place} at dusk, after {number % 11 + 2} days on foot, and looks for {wish}. "
        "It has rained since the morning, the inn is full, and the only person awake is a woman who mends nets by a "
        f"lamp. She has met {number % 5 + 1} travellers like this one before and remembers each of them. Tell what "
        "happens that night, in plain words, slowly, with what they say to each other."
    )
    return _body(text, STORY_TOKENS)


def record(number: int) -> Body:
    """A JSON schema, as somebody who reads orders out of mails has it."""
    place, haste = _PLACES[number % 8], "urgent" if number % 2 else "not urgent"
    text = (
        f"Order {number}: send {number % 7 + 2} lamps, {number % 5 + 1} chairs and a table to the {place}, house "
        f"{number % 90 + 1}. The chairs are a present for my sister. It is {haste}. Write this order as JSON."
    )
    schema = {"name": "order", "schema": RECORD, "strict": True}
    return _body(text, RECORD_TOKENS) | {"response_format": {"type": "json_schema", "json_schema": schema}}


def query(number: int) -> Body:
    """A grammar in Lark."""
    table, place = ("products", "orders", "customers")[number % 3], _PLACES[number % 8]
    text = (
        f"Question {number}: which {table} weigh more than {number % 40} kilograms, cost less than "
        f"{number % 100 + 10} and come from the land of the {place}? Write it as SQL."
    )
    return _body(text, QUERY_TOKENS) | {"structured_outputs": {"grammar": QUERY}}


def specification(number: int) -> Body:
    """A specification, as the product asks for one: a system text, few-shots, and the schema of the IR."""
    shots = load_prompt("specify.v1").messages(f"{_TASKS[number % 8]} Call it number {number}.")
    schema = {"name": "specification", "schema": decoding_schema(), "strict": True}
    return _body("", SPECIFICATION_TOKENS) | {
        "messages": [message.model_dump() for message in shots],
        "response_format": {"type": "json_schema", "json_schema": schema},
    }


def specification_alone(number: int) -> Body:
    """As `specification`, with nothing in common with any other request: its system text begins with its number."""
    body = specification(number)
    first, *others = body["messages"]
    return body | {"messages": [first | {"content": f"{number}. {first['content']}"}, *others]}


KINDS: dict[str, Callable[[int], Body]] = {
    "free text": story,
    "JSON schema": record,
    "grammar": query,
    "specification": specification,
}


def digest() -> str:
    """Of what is asked: two results are comparable where this is the same."""
    return hashlib.sha256(json.dumps([body(0) for body in KINDS.values()]).encode()).hexdigest()[:12]


def _body(text: str, tokens: int) -> Body:
    """Without a seed: with one, prompts that are not read in one step end vLLM 0.32 as it is on a CPU."""
    return {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
