"""What doctests, tests and `assert` statements say of a Python function."""

import ast
import builtins
import doctest
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from functions.ir import Assertion, Example, Signature
from functions.reversing.model import Claim, ClaimedAssertion
from functions.reversing.python_behaviour import Function
from functions.specification_checks import assertion_fault

MOST = 50
"""Examples and assertions each that a specification may have."""
_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True)
class Subject:
    """The function that is read, with its head as a specification has it."""

    function: Function
    signature: Signature

    def calls(self, tree: ast.AST) -> Iterator[ast.Call]:
        """The calls of it in `tree`."""
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name == self.function.name:
                    yield node

    def given(self, call: ast.Call) -> dict[str, ast.expr] | None:
        """The arguments by parameter; None for what is not fixed, or does not fit."""
        positional = [*self.function.args.posonlyargs, *self.function.args.args]
        if any(isinstance(argument, ast.Starred) for argument in call.args) or len(call.args) > len(positional):
            return None
        given = {parameter.arg: argument for parameter, argument in zip(positional, call.args, strict=False)}
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg in given:
                return None
            given[keyword.arg] = keyword.value
        return given

    def arguments(self, call: ast.Call) -> list[str] | None:
        """In the order of the parameters, defaults filled in before the last that is given; None where not fixed."""
        given = self.given(call)
        if given is None or any(_names(argument) - _BUILTINS for argument in given.values()):
            return None
        found: list[str | None] = []
        for parameter in self.signature.parameters:
            if parameter.name in given:
                found.append(ast.unparse(given.pop(parameter.name)))
            else:
                found.append(None if parameter.default is None else parameter.default)
        if given or None in found:
            return None
        return [argument for argument in found if argument is not None]


def doctest_claims(text: str, subject: Subject, where: str) -> Iterator[Claim]:
    """Examples of a docstring that call the function with fixed arguments."""
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:  # not as doctests are written
        return
    for example in examples:
        try:
            expression = ast.parse(example.source.strip(), mode="eval").body
        except SyntaxError:
            continue
        place = f"{where}, line {example.lineno + 1} of it"
        if example.exc_msg is not None:
            raised = example.exc_msg.split(":")[0].strip().split(".")[-1]
            yield from _claim(subject, expression, place, raises=raised)
        elif isinstance(expression, ast.Compare) and example.want.strip() == "True":
            yield from comparison_claims(expression, subject, place)
        else:
            yield from _claim(subject, expression, place, result=example.want.strip() or "None")


def comparison_claims(test: ast.expr, subject: Subject, where: str) -> Iterator[Claim]:
    """Of `f(1) == 2`, `2 == f(1)`, `f(1) is None`, `f(1)`, `not f(1)` (the last two are of True and False)."""
    match test:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            call, value = (left, right) if isinstance(left, ast.Call) else (right, left)
            if not _names(value) - _BUILTINS:
                yield from _claim(subject, call, where, result=ast.unparse(value))
        case ast.Call() if subject.signature.returns == "bool":
            yield from _claim(subject, test, where, result="True")
        case ast.UnaryOp(op=ast.Not(), operand=call) if subject.signature.returns == "bool":
            yield from _claim(subject, call, where, result="False")


def tests_claims(tests: Sequence[Function], subject: Subject) -> Iterator[Claim]:
    """Of `assert f(1) == 2` and `with pytest.raises(E): f(1)` in test functions."""
    for node in (node for test in tests for node in ast.walk(test)):
        match node:
            case ast.Assert(test=asserted):
                yield from comparison_claims(asserted, subject, f"line {node.lineno}")
            case ast.With(items=[ast.withitem(context_expr=ast.Call(func=func, args=[raised, *_]))], body=[statement]):
                if ast.unparse(func).endswith(("raises", "assertRaises")):
                    call = getattr(statement, "value", None)
                    if isinstance(call, ast.Call):
                        name = ast.unparse(raised).split(".")[-1]
                        yield from _claim(subject, call, f"line {node.lineno}", raises=name)


def property_assertions(tests: Sequence[Function], subject: Subject) -> Iterator[ClaimedAssertion]:
    """Of tests by properties, `def test(n): assert f(n) >= 0`: about any arguments, so about the result."""
    for test in tests:
        variables = {argument.arg for argument in test.args.args}
        held: dict[str, ast.Call] = {}
        for node in ast.walk(test):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                    held[name] = call
        for node in ast.walk(test):
            if isinstance(node, ast.Assert):
                asserted = _Inlined(held).visit(ast.parse(ast.unparse(node.test), mode="eval")).body
                predicate = _of_the_result(asserted, subject, variables)
                if predicate:
                    yield from _assertion(predicate, subject, "the tests say so", f"line {node.lineno}")


def asserted_in_function(subject: Subject) -> Iterator[ClaimedAssertion]:
    """`assert` statements of the function's own level: of its arguments as they came, or of what it returns."""
    function = subject.function
    stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    returned = {
        ast.unparse(node.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    }
    renamed = {next(iter(returned)): "result"} if len(returned) == 1 and returned <= stored else {}
    for node in function.body:
        if isinstance(node, ast.Assert):
            names = _names(node.test)
            if names & stored - renamed.keys() or ("result" in names and "result" not in renamed):
                continue
            said = node.msg.value if isinstance(node.msg, ast.Constant) else None
            reason = f": {said}" if isinstance(said, str) else ""
            predicate = ast.unparse(_Renamed(renamed).visit(ast.parse(ast.unparse(node.test), mode="eval")))
            yield from _assertion(predicate, subject, f"the code asserts it{reason}", f"line {node.lineno}")


def asserts_its_arguments(function: Function) -> bool:
    """Whether a call with other arguments than it asks for is answered by an AssertionError."""
    stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    own = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)} - stored
    asserted = (_names(node.test) for node in function.body if isinstance(node, ast.Assert))
    return any(names & own and not names & stored for names in asserted)


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """The name that stands for it, if one does."""
        return ast.Name(self._names.get(node.id, node.id), node.ctx)


class _Inlined(ast.NodeTransformer):
    def __init__(self, held: Mapping[str, ast.Call]) -> None:
        self._held = held

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The call whose result the name holds, if it holds one."""
        return self._held.get(node.id, node)


class _Result(ast.NodeTransformer):
    """Puts `result` in the place of each call that is written as `call`."""

    def __init__(self, call: str) -> None:
        self._call = call

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """The result, if this is the call."""
        return ast.Name("result", ast.Load()) if ast.unparse(node) == self._call else self.generic_visit(node)


def _of_the_result(asserted: ast.expr, subject: Subject, variables: set[str]) -> str | None:
    """The predicate with `result` for the one call that it makes with a variable for each parameter."""
    calls = {ast.unparse(call): call for call in subject.calls(asserted)}
    if len(calls) != 1:
        return None
    text, call = next(iter(calls.items()))
    given = subject.given(call) or {}
    names = {argument.id: name for name, argument in given.items() if isinstance(argument, ast.Name)}
    if not names or len(names) != len(given) or not names.keys() <= variables:
        return None
    replaced = _Result(text).visit(asserted)
    if _names(replaced) & variables - names.keys():
        return None
    return ast.unparse(_Renamed(names).visit(replaced))


def _assertion(predicate: str, subject: Subject, rationale: str, where: str) -> Iterator[ClaimedAssertion]:
    if assertion_fault(predicate, subject.signature) is None:
        yield ClaimedAssertion(Assertion(expression=predicate, rationale=rationale[:4_000]), where)


def _claim(
    subject: Subject, call: ast.expr, where: str, *, result: str | None = None, raises: str | None = None
) -> Iterator[Claim]:
    if not isinstance(call, ast.Call) or next(subject.calls(call), None) is not call:
        return
    arguments = subject.arguments(call)
    if arguments is None:
        return
    try:
        example = Example(arguments=arguments, result=result, raises=raises)
    except ValidationError:  # a result that is no expression, such as `<object at 0x7f...>`
        return
    yield Claim(ast.unparse(call), example, where)


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
