"""Python source, observed by tree-sitter: names, functions, imports, calls, raises, handlers, assertions."""

import re
from collections.abc import Callable, Iterator

import tree_sitter_python
from tree_sitter import Language, Node, Parser

from functions.constraints.extraction.observation import FunctionSeen, NameKind, Observations, Place
from functions.constraints.extraction.sources import SourceFile
from functions.constraints.extraction.syntax_tree import SyntaxErrorAt, descendants, first_error, text_of

_LANGUAGE = Language(tree_sitter_python.language())

_FUNCTION = "function_definition"
_BLOCKS = {"if_statement", "for_statement", "while_statement", "with_statement", "try_statement", "match_statement"}
_SYNTAX = {
    "global_statement": "global",
    "nonlocal_statement": "nonlocal",
    "while_statement": "while",
    "lambda": "lambda",
    "named_expression": "walrus",
    "match_statement": "match",
}
_CONSTANT = re.compile(r"_*[A-Z][A-Z0-9_]*\Z")


def observe(file: SourceFile, seen: Observations) -> None:
    """Add what `file` shows to `seen`. Raises `SyntaxErrorAt`, having added nothing."""
    source = file.text.encode()
    root = Parser(_LANGUAGE).parse(source).root_node
    if error := first_error(root):
        raise SyntaxErrorAt(error)
    _Observer(file, source, seen).observe(root)


class _Observer:
    def __init__(self, file: SourceFile, source: bytes, seen: Observations) -> None:
        self._file = file
        self._lines = file.text.splitlines()
        self._source = source
        self._seen = seen
        self._visits: dict[str, Callable[[Node], None]] = {
            _FUNCTION: self._function,
            "class_definition": self._class,
            "assignment": self._assignment,
            "import_statement": self._import,
            "import_from_statement": self._import,
            "call": self._call,
            "raise_statement": self._raise,
            "except_clause": self._handler,
            "assert_statement": self._assertion,
            **dict.fromkeys(_SYNTAX, self._syntax),
        }

    def observe(self, root: Node) -> None:
        self._seen.saw_lines(self._file.text)
        for node in descendants(root):
            if visit := self._visits.get(node.type):
                visit(node)

    def _class(self, node: Node) -> None:
        self._name("classes", node.child_by_field_name("name"))

    def _assertion(self, node: Node) -> None:
        if self._file.is_test:
            self._seen.asserted.append(self._place(node))

    def _syntax(self, node: Node) -> None:
        self._seen.syntax[_SYNTAX[node.type]] += 1

    def _function(self, node: Node) -> None:
        name_node = node.child_by_field_name("name")
        body = node.child_by_field_name("body")
        parameters = node.child_by_field_name("parameters")
        if name_node is None or body is None or parameters is None:
            return
        name = self._text(name_node)
        dunder = name.startswith("__") and name.endswith("__")
        if not dunder:
            self._name("functions", name_node)
        own = [p for p in map(_parameter, parameters.named_children) if p is not None]
        for identifier, _ in own:
            self._name("parameters", identifier)
        typed = [is_typed for identifier, is_typed in own if self._text(identifier) not in {"self", "cls"}]
        returns = node.child_by_field_name("return_type")
        head = self._source[node.start_byte : (returns or parameters).end_byte].decode()
        self._seen.functions.append(
            FunctionSeen(
                name=name,
                signature=" ".join(head.split()),
                place=self._place(node),
                annotated=all(typed) and (returns is not None or name == "__init__"),
                documented=_is_documented(body),
                lines=node.end_point.row - node.start_point.row + 1,
                nesting=_nesting(body),
                is_public=not name.startswith("_"),
                is_top_level=_owner(node).type == "module",
                is_test=self._file.is_test,
            )
        )

    def _assignment(self, node: Node) -> None:
        target = node.child_by_field_name("left")
        if target is None or target.type != "identifier":
            return
        at_top = node.parent is not None and node.parent.parent is not None and node.parent.parent.type == "module"
        is_constant = at_top and _CONSTANT.match(self._text(target))
        self._name("constants" if is_constant else "variables", target)

    def _import(self, node: Node) -> None:
        if node.type == "import_from_statement":
            module = node.child_by_field_name("module_name")
            modules = [module] if module is not None and module.type == "dotted_name" else []
        else:
            modules = [child.child_by_field_name("name") or child for child in node.named_children]
        for module in modules:
            self._seen.imports.setdefault(self._text(module).split(".")[0], self._place(node))

    def _call(self, node: Node) -> None:
        function = node.child_by_field_name("function")
        if function is not None and function.type in {"identifier", "attribute"}:
            name = self._text(function)
            if re.fullmatch(r"[\w.]{1,120}", name):
                self._seen.saw_call(name, self._place(node))

    def _raise(self, node: Node) -> None:
        raised = next(iter(node.named_children), None)
        if raised is not None and raised.type == "call":
            raised = raised.child_by_field_name("function")
        if raised is not None and raised.type in {"identifier", "attribute"}:
            name = self._text(raised)
            if name.rpartition(".")[2][:1].isupper():  # a class, not a caught exception raised again
                self._seen.raised.setdefault(name, []).append(self._place(node))

    def _handler(self, node: Node) -> None:
        self._seen.handlers += 1
        if not any(child.type not in {"block", "comment"} for child in node.named_children):
            self._seen.syntax["bare_except"] += 1

    def _name(self, kind: NameKind, node: Node | None) -> None:
        if node is not None:
            name = self._text(node)
            if name != "_":
                self._seen.saw_name(kind, name, self._place(node))

    def _place(self, node: Node) -> Place:
        row = node.start_point.row
        return Place(self._file.path, row + 1, self._lines[row].strip()[:200] if row < len(self._lines) else "")

    def _text(self, node: Node) -> str:
        return text_of(node, self._source)


def _parameter(node: Node) -> tuple[Node, bool] | None:
    """The identifier of a parameter and whether it has a type; None for a bare `*` or `/`."""
    if node.type == "identifier":
        return node, False
    typed = node.type in {"typed_parameter", "typed_default_parameter"}
    name = node.child_by_field_name("name") or next(_identifiers(node), None)
    return (name, typed) if name is not None else None


def _identifiers(node: Node) -> Iterator[Node]:
    return (child for child in descendants(node) if child.type == "identifier")


def _is_documented(body: Node) -> bool:
    first = next((child for child in body.named_children if child.type != "comment"), None)
    return (
        first is not None
        and first.type in {"expression_statement", "string"}
        and (first.type == "string" or (first.named_child_count == 1 and first.named_children[0].type == "string"))
    )


def _nesting(body: Node) -> int:
    """How deep compound statements stand in one another; those of functions inside are theirs."""
    deepest = 0
    stack = [(body, 0)]
    while stack:
        node, depth = stack.pop()
        for child in node.named_children:
            if child.type in {_FUNCTION, "class_definition"}:
                continue
            inner = depth + 1 if child.type in _BLOCKS else depth
            deepest = max(deepest, inner)
            stack.append((child, inner))
    return deepest


def _owner(node: Node) -> Node:
    """The parent, a decorator's wrapper skipped."""
    parent = node.parent or node
    return parent.parent or parent if parent.type == "decorated_definition" else parent
