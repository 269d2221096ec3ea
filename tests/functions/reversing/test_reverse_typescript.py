import pytest

from functions.failures import Refused
from functions.reversing.typescript_source import read_typescript

SOURCE = """
import { readFileSync } from "fs";

/**
 * Total the prices.
 *
 * Discounts are not applied.
 * @param prices - of one order,
 *   each in cents
 * @param currency the unit
 * @returns the total
 * @throws {RangeError} never
 */
export function total(prices: number[], currency: string = "EUR", rates?: Record<string, number>): number | null {
  if (prices.length === 0) {
    throw new Error("empty");
  }
  try { throw new TypeError("x"); } catch { console.log(Math.random()); }
  return helper(prices);
}
const helper = (xs: Array<number>): number => xs.reduce((a, b) => a + b, 0);
"""


def test_head_jsdoc_throws_and_effects_are_read():
    read = read_typescript(SOURCE, None)
    assert read.signature.to_source() == (
        'def total(prices: list[float], currency: str = "EUR", rates: dict[str, float] | None = None) -> float | None'
    )
    assert [p.description for p in read.signature.parameters] == ["of one order, each in cents", "the unit", ""]
    assert read.signature.raises == ["Error", "RangeError"]
    assert (read.summary, read.rationale) == ("Total the prices.", "Discounts are not applied.")
    assert read.effects == ("randomness", "output")
    assert read.holes == ()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("string[][]", "list[list[str]]"),
        ("readonly string[]", "list[str]"),
        ("[number, string]", "tuple[float, str]"),
        ("Map<string, Set<boolean>>", "dict[str, set[bool]]"),
        ("'a' | 'b' | null", "Literal['a'] | Literal['b'] | None"),
        ("(number | undefined)[]", "list[float | None]"),
        ("Date", "Date"),
        ("Promise<void>", "Promise[None]"),
        ("{ a: number }", "object"),
        ("(x: number) => string", "object"),
    ],
)
def test_types_are_in_a_specifications_notation(written: str, read: str):
    reading = read_typescript(f"function f(x: {written}): void {{}}", None)
    assert reading.signature.parameters[0].type == read
    assert bool(reading.holes) == (read == "object")


def test_what_has_no_annotation_is_a_hole():
    reading = read_typescript("const f = (x, y = 1) => x;", "f")
    assert [hole.id for hole in reading.holes] == ["type-0", "type-1", "type-returns"]
    assert reading.signature.to_source() == "def f(x: object, y: object = 1) -> object"


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        ("function f( {", "/source"),
        ("const x = 1;", "/source"),
        ("function f() {} function g() {}", "/name"),
        ("function f({ a, b }: { a: number; b: number }) {}", "/source"),
    ],
)
def test_what_cannot_be_read_is_refused(source: str, pointer: str):
    with pytest.raises(Refused) as refusal:
        read_typescript(source, None)
    assert refusal.value.pointer == pointer
