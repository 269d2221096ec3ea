"""TypeScript as a syntax tree, by tree-sitter."""

import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

_LANGUAGE = Language(tree_sitter_typescript.language_typescript())


def parsed(source: bytes) -> Node:
    """The tree's root; what does not parse is in it as ERROR and MISSING nodes."""
    return Parser(_LANGUAGE).parse(source).root_node
