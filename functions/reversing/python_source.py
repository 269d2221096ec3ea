"""One Python function read off its source, without running any of it. For the validator's limited processes."""

import ast
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from functions.failures import Refused
from functions.ir import Hole, Parameter, Signature
from functions.literal_types import type_of
from functions.reversing.docstrings import Docstring, read_docstring
from functions.reversing.model import Claim, Reading
from functions.reversing.python_behaviour import Function, Module
from functions.reversing.python_claims import (
    MOST,
    Subject,
    asserted_in_function,
    asserts_its_arguments,
    doctest_claims,
    property_assertions,
    tests_claims,
)
from functions.verification import literal

T = TypeVar("T")
LONGEST = 4_000
"""Characters of a sentence in a specification; what is longer is cut."""
_GENERIC = {"List": "list", "Dict": "dict", "Set": "set", "FrozenSet": "frozenset", "Tuple": "tuple", "Type": "type"}


def read_python(source: str, name: str | None) -> Reading:
    """The function called `name`, or the one that the source is about.

    Raises `Refused` for what does not parse, and when it is not clear which function is meant.
    """
    tree = _parsed(source)
    module = Module.of(tree)
    tests = [function for function in module.functions.values() if function.name.startswith("test")]
    function = chosen(module.functions, tests, name, _calls)
    said = read_docstring(ast.get_docstring(function) or "")
    raises = [*module.raises(function), *(each.split(".")[-1] for each in said.raises)]
    raises += ["AssertionError"] if asserts_its_arguments(function) else []
    signature, holes = _signature(function, said, [])
    claims = _claims(tree, Subject(function, signature), tests)
    signature, holes = _signature(function, said, claims)
    signature = signature.model_copy(update={"raises": _distinct(raises)[:10]})
    subject = Subject(function, signature)
    asserted = [*asserted_in_function(subject), *property_assertions(tests, subject)]
    return Reading(
        signature=signature,
        summary=said.summary[:LONGEST],
        rationale=said.rationale[:LONGEST],
        effects=tuple(module.effects(function)),
        assertions=_first_of_each(asserted, lambda a: a.assertion.expression),
        claims=_first_of_each(claims, lambda c: c.example.model_dump_json()),
        holes=tuple([*holes, *_form_holes(function)][:MOST]),
        text=ast.get_source_segment(source, function) or "",
        keyword_only=frozenset(argument.arg for argument in function.args.kwonlyargs),
        is_plain=_is_plain(function),
    )


def chosen(functions: Mapping[str, T], tests: list[T], name: str | None, calls: Callable[[T], set[str]]) -> T:
    """The function that is meant: the one of that name, or the only one that no other function calls."""
    if name is not None:
        if name not in functions:
            raise Refused("/name", f"there is no function {name!r} at the source's own level")
        return functions[name]
    others = {each: function for each, function in functions.items() if function not in tests}
    called = {callee for each, function in others.items() for callee in calls(function) if callee != each}
    roots = [each for each in others if each not in called] or list(others)
    public = [each for each in roots if not each.startswith("_")] or roots
    if not public:
        raise Refused("/source", "there is no function at the source's own level")
    if len(public) > 1:
        raise Refused("/name", f"say by `name` which function is meant: {', '.join(public[:20])}")
    return others[public[0]]


def _parsed(source: str) -> ast.Module:
    try:
        tree = ast.parse(source)
        compile(tree, "<source>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Refused("/source", f"line {error.lineno or 1}: it is not Python: {error.msg}") from None
    except ValueError as error:  # null characters
        raise Refused("/source", f"it is not Python: {error}") from None
    return tree


def _calls(function: Function) -> set[str]:
    return {
        node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def _claims(tree: ast.Module, subject: Subject, tests: list[Function]) -> list[Claim]:
    own = doctest_claims(ast.get_docstring(subject.function) or "", subject, "the docstring")
    module = doctest_claims(ast.get_docstring(tree) or "", subject, "the module's docstring")
    return [*own, *module, *tests_claims(tests, subject)]


def _signature(function: Function, said: Docstring, claims: list[Claim]) -> tuple[Signature, list[Hole]]:
    """The head. What has no annotation gets the type of its default or of the claims' arguments, and a hole."""
    holes = []
    parameters = []
    for i, (argument, default, form) in enumerate(_parameters(function)):
        if argument.annotation is not None:
            kind = _type(argument.annotation)
        else:
            shown = [c.example.arguments[i] for c in claims if i < len(c.example.arguments)]
            guess = _type_of_literals([*shown, *([ast.unparse(default)] if default else [])])
            kind = guess or "object"
            holes.append(_type_hole(f"type-{i}", f"`{argument.arg}` has no annotation. What is its type?", guess))
        try:
            parameters.append(
                Parameter(
                    name=argument.arg,
                    type=form.format(kind),
                    description=said.parameters.get(argument.arg, "")[:LONGEST],
                    default=ast.unparse(default) if default else None,
                )
            )
        except ValidationError as error:
            raise Refused("/source", f"parameter {argument.arg}: {error.errors()[0]['msg']}") from None
    returns, hole = _returns(function, claims)
    try:
        signature = Signature(name=function.name, parameters=parameters, returns=returns)
    except ValidationError as error:
        raise Refused("/source", f"the head of {function.name}: {error.errors()[0]['msg']}") from None
    return signature, [*holes, *([hole] if hole else [])]


def _parameters(function: Function) -> list[tuple[ast.arg, ast.expr | None, str]]:
    """Each with its default and the form of its type. What must be given comes before what has a default."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [*[None] * (len(positional) - len(given.defaults)), *given.defaults]
    found: list[tuple[ast.arg, ast.expr | None, str]] = [
        *((argument, default, "{}") for argument, default in zip(positional, defaults, strict=True)),
        *((argument, default, "{}") for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)),
    ]
    if given.vararg:
        found.append((given.vararg, None, "tuple[{}, ...]"))
    if given.kwarg:
        found.append((given.kwarg, None, "dict[str, {}]"))
    return sorted(found, key=lambda each: each[1] is not None)


def _returns(function: Function, claims: list[Claim]) -> tuple[str, Hole | None]:
    if function.returns is not None:
        return _type(function.returns), None
    nodes = list(ast.walk(function))
    yields = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in nodes)
    if not yields and not any(isinstance(node, ast.Return) and node.value is not None for node in nodes):
        return "None", None
    results = [claim.example.result for claim in claims if claim.example.result is not None]
    guess = None if yields else _type_of_literals(results)
    return guess or "object", _type_hole("type-returns", "What it returns has no annotation. What is its type?", guess)


def _form_holes(function: Function) -> list[Hole]:
    """What a specification cannot say of a head: it knows ordinary functions with ordinary parameters."""
    given = function.args
    forms = [f"takes {argument.arg} by keyword only" for argument in given.kwonlyargs]
    forms += [f"takes {argument.arg} by position only" for argument in given.posonlyargs]
    forms += [f"takes any number of arguments (*{given.vararg.arg})"] if given.vararg else []
    forms += [f"takes any keyword arguments (**{given.kwarg.arg})"] if given.kwarg else []
    forms += ["is asynchronous"] if isinstance(function, ast.AsyncFunctionDef) else []
    if not forms:
        return []
    question = f"{function.name} {', '.join(forms)}. Is an ordinary function with ordinary parameters meant?"
    return [Hole(id="form", kind="implementation", question=question[:LONGEST], suggestions=["yes"])]


def _is_plain(function: Function) -> bool:
    given = function.args
    return isinstance(function, ast.FunctionDef) and given.vararg is None and given.kwarg is None


def _type_hole(identifier: str, question: str, guess: str | None) -> Hole:
    suggestions = [guess] if guess else []
    return Hole(id=identifier, kind="signature", question=question, expected_type="type", suggestions=suggestions)


def _type_of_literals(texts: list[str]) -> str | None:
    try:
        return type_of(literal(text) for text in texts)
    except ValueError:
        return None


class _Modern(ast.NodeTransformer):
    """`typing`'s old names for builtin types, as they are written now."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """A type in quotes is that type."""
        try:
            return self.visit(ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else node
        except SyntaxError:
            return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """`typing.List` is `List`."""
        return self.visit(ast.Name(node.attr, ast.Load())) if ast.unparse(node.value) in ("typing", "t") else node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """`List` is `list`; `Any` is any object."""
        return ast.Name("object" if node.id == "Any" else _GENERIC.get(node.id, node.id), ast.Load())

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """`Optional[X]` is `X | None`, `Union[X, Y]` is `X | Y`; what is in `Literal` stays."""
        head = ast.unparse(node.value).removeprefix("typing.")
        if head in ("Literal", "Annotated"):
            return self.visit(node.slice.elts[0]) if head == "Annotated" and isinstance(node.slice, ast.Tuple) else node
        inner = self.visit(node.slice)
        if head == "Optional":
            return ast.BinOp(inner, ast.BitOr(), ast.Constant(None))
        if head == "Union":
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            joined = parts[0]
            for part in parts[1:]:
                joined = ast.BinOp(joined, ast.BitOr(), part)
            return joined
        return ast.Subscript(self.visit(node.value), inner, ast.Load())


def _type(annotation: ast.expr) -> str:
    return ast.unparse(ast.fix_missing_locations(_Modern().visit(annotation)))


def _first_of_each(items: list[T], key: Callable[[T], str]) -> tuple[T, ...]:
    firsts: dict[str, T] = {}
    for item in items:
        firsts.setdefault(key(item), item)
    return tuple(firsts.values())[:MOST]


def _distinct(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
