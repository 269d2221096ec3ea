"""Heads of functions: read in any spelling, written in one; and dotted names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.constraints.dotted import below, covering, covering_path, parent_and_name, prefixes
from functions.constraints.signature import Signature, read_signature
from functions.constraints.typescript_signature import read_typescript_signature
from functions.failures import ConstraintRefused


@pytest.mark.parametrize(
    ("text", "head", "parameters"),
    [
        ("add(a,b:int=1)->int", "def add(a, b: int = 1) -> int", ("a", "b")),
        ("  def f( ) : ... ", "def f()", ()),
        ("async def f(*,a=1,b)", "async def f(*, a=1, b)", ("a", "b")),
        ("f(a,/,b,*c:int,d,**e:str)", "def f(a, /, b, *c: int, d, **e: str)", ("a", "b", "c", "d", "e")),
        ("f(a,/)", "def f(a, /)", ("a",)),
        ("f(a=1,/,b=2)->'x'", "def f(a=1, /, b=2) -> 'x'", ("a", "b")),
        ("default(a)", "def default(a)", ("a",)),
    ],
)
def test_a_head_is_written_in_one_way(text: str, head: str, parameters: tuple[str, ...]):
    read = read_signature(text)
    assert (read.head, read.parameters) == (head, parameters)
    assert read.is_async == head.startswith("async")
    assert head.partition("def ")[2].startswith(f"{read.name}(")
    assert read_signature(head) == read


@pytest.mark.parametrize(
    "text",
    [
        *("f(", "f(a, a)", "f()\nx = 1", "x = 1", "", "@a\ndef f()", "async f()", "async with x"),
        *("f(a) -> int -> int", "f()\0"),
    ],
)
def test_what_is_not_the_head_of_one_function_is_refused_with_its_place(text: str):
    with pytest.raises(ConstraintRefused) as refused:
        read_signature(text, "/at")
    assert refused.value.pointer == "/at"


@pytest.mark.parametrize(
    ("text", "name", "head", "parameters"),
    [
        (" add( a: number,\n b?: string ):  void; ", "add", "function add( a: number, b?: string ): void", ("a", "b")),
        ("async function f<T>(x: T): Promise<T> {", "f", "async function f<T>(x: T): Promise<T>", ("x",)),
    ],
)
def test_a_typescript_head_is_read(text: str, name: str, head: str, parameters: tuple[str, ...]):
    read = read_typescript_signature(text)
    assert read == Signature(name, head, parameters, is_async=head.startswith("async"))


@pytest.mark.parametrize("text", ["async f(): void", "function f(", "class A", "f(a: ): void", "f(a b): void"])
def test_what_is_not_the_head_of_one_typescript_function_is_refused_with_its_place(text: str):
    with pytest.raises(ConstraintRefused) as refused:
        read_typescript_signature(text, "/at")
    assert refused.value.pointer == "/at"


PARTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4)


@given(PARTS, st.integers(0, 3))
def test_what_is_above_a_name_covers_it(parts: list[str], dots: int):
    name = "." * dots + ".".join(parts)
    above = prefixes(name)
    assert len(above) == len(parts) - 1
    for each in (*above, name, *(["." * dots] if dots else [])):
        assert covering({each}, name) == each
    assert covering({f"{name}.x", f"{name}x", "x"}, name) is None
    parent, last = parent_and_name(name)
    assert last == parts[-1]
    assert (below(parent, last) if parent else last) == name


@given(PARTS)
def test_what_is_above_a_path_covers_it(parts: list[str]):
    path = "/".join(parts)
    for end in range(1, len(parts) + 1):
        assert covering_path({"/".join(parts[:end])}, path) == "/".join(parts[:end])
    assert covering_path({f"{path}/x", f"{path}x", "x"}, path) is None


def test_the_nearest_that_covers_is_found():
    assert covering({"a", "a.b"}, "a.b") == "a.b"
    assert covering({".", ".a"}, ".a.b") == ".a"
    assert covering({"."}, "..a") is None
    assert covering({"a"}, "") is None
    assert covering_path({"a", "a/b"}, "a/b/c") == "a/b"
    assert (below(".", "a"), below("..b", "a"), parent_and_name("..a")) == (".a", "..b.a", ("..", "a"))
