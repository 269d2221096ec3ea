"""Walking tree-sitter's trees without recursion: source is hostile input and may nest as deep as it likes."""

from collections.abc import Iterator

from tree_sitter import Node


class SyntaxErrorAt(Exception):  # noqa: N818 - says what happened
    """The source does not parse; carries the place of the first error."""

    def __init__(self, node: Node) -> None:
        super().__init__(f"line {node.start_point.row + 1}, column {node.start_point.column + 1}: not valid syntax")


def descendants(root: Node) -> Iterator[Node]:
    """Every named node below `root`, in source order."""
    stack = list(reversed(root.named_children))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.named_children))


def first_error(root: Node) -> Node | None:
    """The first ERROR or MISSING node, or None when the source parses."""
    if not root.has_error:
        return None
    stack = [root]
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            return node
        stack.extend(child for child in reversed(node.children) if child.has_error or child.is_missing)
    return root


def text_of(node: Node, source: bytes) -> str:
    """The source text that a node covers."""
    return source[node.start_byte : node.end_byte].decode()
