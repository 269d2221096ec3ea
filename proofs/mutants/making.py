"""Mutants of a module: mutmut's operators and four of ours, each mutant a whole source with one thing changed.

mutmut's own runner is not used: it leaves out whatever is decorated (routes, models, properties) or stands outside of
functions, and would start a Postgres and import everything for each mutant.
"""

import ast
import difflib
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_string

UNMUTATED_CALLS = {"len", "isinstance", "cast", "Field", "ConfigDict", "getLogger", "get_logger", "TypeVar"}


@dataclass(frozen=True)
class Mutant:
    """One change. `key` stays the same while what is changed and the function around it are called the same.

    `before` and `after` are the changed lines.
    """

    key: str
    path: str
    operator: str
    function: str
    line: int
    before: str
    after: str
    source: str


@dataclass(frozen=True)
class _Change:
    key: str
    operator: str
    function: str
    line: int
    old: cst.CSTNode
    new: cst.CSTNode


class Module:
    """A module, and what can be changed in it."""

    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._source = source
        self._tree = ast.dump(ast.parse(source))
        wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
        visitor = _Visitor()
        wrapper.visit(visitor)
        self._module = wrapper.module
        self._changes: list[_Change] = []
        seen: dict[str, int] = defaultdict(int)
        for operator, function, line, old, new in visitor.found:
            texts = [self._module.code_for_node(node) for node in (old, new)]
            name = f"{path} {function} {operator} {texts[0]} -> {texts[1]}"
            seen[name] += 1
            key = hashlib.sha256(f"{name} {seen[name]}".encode()).hexdigest()[:12]
            self._changes.append(_Change(key, operator, function, line, old, new))

    def __len__(self) -> int:
        return len(self._changes)

    def chosen(self, keys: Collection[str]) -> list[Mutant]:
        """Those with these keys."""
        made = (self._made(change) for change in self._changes if change.key in keys)
        return [mutant for mutant in made if mutant is not None]

    def sample(self, most: int, seed: int) -> list[Mutant]:
        """At most `most`: of each operator in turn the next, in an order that the seed and the keys decide."""
        by_operator: dict[str, list[_Change]] = defaultdict(list)
        for change in sorted(self._changes, key=lambda each: hashlib.sha256(f"{seed} {each.key}".encode()).digest()):
            by_operator[change.operator].append(change)
        queues = [by_operator[name] for name in sorted(by_operator)]
        sampled: list[Mutant] = []
        while len(sampled) < most and any(queues):
            for queue in queues:
                if queue and len(sampled) < most and (mutant := self._made(queue.pop(0))) is not None:
                    sampled.append(mutant)
        return sorted(sampled, key=lambda each: (each.line, each.key))

    def _made(self, change: _Change) -> Mutant | None:
        """None where it is no program, or the same one."""
        mutated = self._module.deep_replace(change.old, change.new).code  # type: ignore[attr-defined]
        try:
            compile(mutated, self._path, "exec")
        except (SyntaxError, ValueError):
            return None
        if ast.dump(ast.parse(mutated)) == self._tree:
            return None
        before, after = _difference(self._source, mutated)
        return Mutant(change.key, self._path, change.operator, change.function, change.line, before, after, mutated)


class _Visitor(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, int, cst.CSTNode, cst.CSTNode]] = []
        self._names: list[str] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if _left_out(node):
            return False
        if isinstance(node, cst.Raise):  # what an error says is no behaviour, that it is raised is
            self._note("raise", node, cst.Pass())
            return False
        for operator, mutated in _mutations(node):
            if self._names or operator != "number":  # how large a limit is no test should repeat
                self._note(operator, node, mutated)
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            self._names.append(node.name.value)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, (cst.FunctionDef, cst.ClassDef)):
            self._names.pop()

    def _note(self, operator: str, node: cst.CSTNode, mutated: cst.CSTNode) -> None:
        position = self.get_metadata(PositionProvider, node, None)
        line = position.start.line if position is not None else self._line_above(node)
        self.found.append((operator, ".".join(self._names) or "module", line, node, mutated))

    def _line_above(self, node: cst.CSTNode) -> int:
        at: Any = node
        while (position := self.get_metadata(PositionProvider, at, None)) is None:
            at = self.get_metadata(ParentNodeProvider, at)
        return int(position.start.line)


def _left_out(node: cst.CSTNode) -> bool:  # noqa: PLR0911 - one case for each kind
    """Annotations, decorators, imports, docstrings, logging, declarations, and `strict=`: what cannot be otherwise."""
    match node:
        case cst.Annotation() | cst.Decorator() | cst.Import() | cst.ImportFrom():
            return True
        case cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString()):
            return True
        case cst.Param(default=cst.Integer() | cst.Float()) | cst.Arg(keyword=cst.Name(value="strict")):
            return True
        case cst.Subscript(value=cst.Name(value="Literal")):
            return True
        case cst.Call(func=cst.Name(value=name)) if name in UNMUTATED_CALLS:
            return True
        case cst.Call(func=cst.Attribute(value=cst.Name(value="_log" | "logger" | "telemetry"))):
            return True
        case cst.Expr(value=cst.Call(func=cst.Attribute(value=cst.Name(value="_log" | "logger")))):
            return True
        case _:
            return False


def _mutations(node: cst.CSTNode) -> Iterator[tuple[str, cst.CSTNode]]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            name = operator.__name__.removeprefix("operator_")
            mutated = list(operator(node))
            if operator is operator_string:
                mutated = mutated[:1]  # its other two change the case
            if operator is operator_arg_removal and isinstance(node, cst.Call) and len(node.args) > 1:
                left_out = zip(node.args, mutated[-len(node.args) :], strict=True)  # rather than None in its place
                mutated = [call for argument, call in left_out if not _left_out(argument)]
            yield from ((name, each) for each in mutated)
    match node:
        case cst.Expr(value=cst.Call() | cst.Await()):
            yield "statement", cst.Pass()
        case cst.If(test=test) | cst.While(test=test):
            yield "condition", node.with_changes(test=_negated(test))
        case cst.Return(value=cst.BaseExpression() as value) if not _is_none(value):
            yield "return", node.with_changes(value=cst.Name("None"), whitespace_after_return=cst.SimpleWhitespace(" "))
        case _:
            pass


def _negated(test: cst.BaseExpression) -> cst.BaseExpression:
    bare = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.UnaryOperation(cst.Not(), bare)


def _is_none(value: cst.BaseExpression) -> bool:
    return isinstance(value, cst.Name) and value.value == "None"


def _difference(source: str, mutated: str) -> tuple[str, str]:
    lines: dict[str, list[str]] = {"-": [], "+": []}
    for line in list(difflib.unified_diff(source.splitlines(), mutated.splitlines(), n=0))[2:]:
        if line[:1] in lines:
            lines[line[0]].append(line[1:].strip())
    return " ".join(lines["-"]), " ".join(lines["+"])
