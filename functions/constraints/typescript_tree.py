"""TypeScript as a syntax tree, by tree-sitter."""

import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from functions.constraints.extraction.syntax_tree import first_error, text_of

_LANGUAGE = Language(tree_sitter_typescript.language_typescript())


def parsed(source: bytes) -> Node:
    """The tree's root; what does not parse is in it as ERROR and MISSING nodes."""
    return Parser(_LANGUAGE).parse(source).root_node


def first_fault(root: Node) -> Node | None:
    """The first place at which the text is no TypeScript, or None."""
    return first_error(root)


__all__ = ["first_fault", "parsed", "text_of"]
