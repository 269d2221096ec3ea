"""TypeScript source, observed by tree-sitter: the same facts as for Python, where the language has them."""

import re
from collections.abc import Callable

import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from functions.constraints.extraction.observation import FunctionSeen, NameKind, Observations, Place
from functions.constraints.extraction.sources import SourceFile
from functions.constraints.extraction.syntax_tree import SyntaxErrorAt, descendants, first_error, text_of

_TS = Language(tree_sitter_typescript.language_typescript())
_TSX = Language(tree_sitter_typescript.language_tsx())

_FUNCTIONS = {"function_declaration", "method_definition", "generator_function_declaration"}
_NESTED_FUNCTIONS = _FUNCTIONS | {"arrow_function", "function_expression"}
_BLOCKS = {
    "if_statement",
    "for_statement",
    "for_in_statement",
    "while_statement",
    "do_statement",
    "switch_statement",
    "try_statement",
}
_CLASSES = {"class_declaration", "abstract_class_declaration", "interface_declaration", "type_alias_declaration"}
_SYNTAX = {"while_statement": "while", "variable_declaration": "var"}
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*\Z")


def observe(file: SourceFile, seen: Observations) -> None:
    """Add what `file` shows to `seen`. Raises `SyntaxErrorAt`, having added nothing."""
    source = file.text.encode()
    root = Parser(_TSX if file.path.endswith(".tsx") else _TS).parse(source).root_node
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
            **dict.fromkeys(_FUNCTIONS, self._function),
            **dict.fromkeys(_CLASSES, self._class),
            **dict.fromkeys(_SYNTAX, self._syntax),
            "variable_declarator": self._variable,
            "import_statement": self._import,
            "call_expression": self._call,
            "throw_statement": self._throw,
            "catch_clause": self._handler,
            "predefined_type": self._type,
        }

    def observe(self, root: Node) -> None:
        self._seen.saw_lines(self._file.text)
        for node in descendants(root):
            if visit := self._visits.get(node.type):
                visit(node)

    def _class(self, node: Node) -> None:
        self._name("classes", node.child_by_field_name("name"))

    def _syntax(self, node: Node) -> None:
        self._seen.syntax[_SYNTAX[node.type]] += 1

    def _handler(self, _: Node) -> None:
        self._seen.handlers += 1

    def _type(self, node: Node) -> None:
        if self._text(node) == "any":
            self._seen.syntax["any"] += 1

    def _function(self, node: Node) -> None:
        name = node.child_by_field_name("name")
        if name is None or self._text(name) == "constructor":
            return
        self._name("functions", name)
        self._callable(node, name, node)

    def _variable(self, node: Node) -> None:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        if name is None or name.type != "identifier":
            return
        if value is not None and value.type in {"arrow_function", "function_expression"}:
            self._name("functions", name)
            self._callable(value, name, node)
        else:
            self._name("constants" if _CONSTANT.match(self._text(name)) else "variables", name)

    def _callable(self, node: Node, name: Node, declaration: Node) -> None:
        parameters = node.child_by_field_name("parameters")
        body = node.child_by_field_name("body")
        if parameters is None or body is None:
            return
        own = [child for child in parameters.named_children if child.type.endswith("_parameter")]
        for parameter in own:
            pattern = parameter.child_by_field_name("pattern")
            if pattern is not None and pattern.type == "identifier":
                self._name("parameters", pattern)
        returns = node.child_by_field_name("return_type")
        heading = self._source[parameters.start_byte : (returns or parameters).end_byte].decode()
        statement = _statement(declaration)
        comment = statement.prev_named_sibling
        self._seen.functions.append(
            FunctionSeen(
                name=self._text(name),
                signature=f"function {self._text(name)}{' '.join(heading.split())}",
                place=self._place(declaration),
                annotated=returns is not None and all(p.child_by_field_name("type") for p in own),
                documented=comment is not None and self._text(comment).startswith("/**"),
                lines=declaration.end_point.row - declaration.start_point.row + 1,
                nesting=_nesting(body),
                is_public=not self._text(name).startswith(("_", "#")),
                is_top_level=statement.parent is not None and statement.parent.type == "program",
                is_test=self._file.is_test,
            )
        )

    def _import(self, node: Node) -> None:
        source = node.child_by_field_name("source")
        if source is not None:
            module = self._text(source).strip("\"'")
            if not module.startswith("."):
                parts = module.split("/")
                self._seen.imports.setdefault(
                    "/".join(parts[:2]) if module.startswith("@") else parts[0], self._place(node)
                )

    def _call(self, node: Node) -> None:
        function = node.child_by_field_name("function")
        if function is not None:
            name = self._text(function)
            if re.fullmatch(r"[\w.$]{1,120}", name):
                self._seen.saw_call(name, self._place(node))
                if self._file.is_test and name == "expect":
                    self._seen.asserted.append(self._place(node))

    def _throw(self, node: Node) -> None:
        thrown = next(iter(node.named_children), None)
        made = thrown.child_by_field_name("constructor") if thrown and thrown.type == "new_expression" else None
        if made is not None:
            self._seen.raised.setdefault(self._text(made), []).append(self._place(node))

    def _name(self, kind: NameKind, node: Node | None) -> None:
        if node is not None and node.type.endswith("identifier"):
            self._seen.saw_name(kind, self._text(node), self._place(node))

    def _place(self, node: Node) -> Place:
        row = node.start_point.row
        return Place(self._file.path, row + 1, self._lines[row].strip()[:200] if row < len(self._lines) else "")

    def _text(self, node: Node) -> str:
        return text_of(node, self._source)


def _statement(node: Node) -> Node:
    """The whole statement of a declaration, with its `const` and its `export`."""
    while node.parent is not None and node.parent.type in {"lexical_declaration", "export_statement"}:
        node = node.parent
    return node


def _nesting(body: Node) -> int:
    deepest = 0
    stack = [(body, 0)]
    while stack:
        node, depth = stack.pop()
        for child in node.named_children:
            if child.type in _NESTED_FUNCTIONS:
                continue
            # `else if` stands inside an `else`, yet a reader sees no deeper level.
            inner = depth + 1 if child.type in _BLOCKS and node.type != "else_clause" else depth
            deepest = max(deepest, inner)
            stack.append((child, inner))
    return deepest
