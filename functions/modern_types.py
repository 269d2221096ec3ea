"""Types as Python has written them since 3.10: `list[int] | None` for `Optional[List[int]]`, which needs an import."""

import ast

_GENERIC = {"List": "list", "Dict": "dict", "Set": "set", "Tuple": "tuple", "FrozenSet": "frozenset", "Type": "type"}


class _Modern(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name({**_GENERIC, "Any": "object"}.get(node.id, node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id in {"typing", "t"}:
            return self.visit_Name(ast.Name(node.attr))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        outer, inner = self.visit(node.value), self.visit(node.slice)
        if isinstance(outer, ast.Name) and outer.id == "Optional":
            return ast.BinOp(inner, ast.BitOr(), ast.Constant(None))
        if isinstance(outer, ast.Name) and outer.id == "Union":
            first, *others = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            for other in others:
                first = ast.BinOp(first, ast.BitOr(), other)
            return first
        return ast.Subscript(outer, inner, ast.Load())


def modern_type(annotation: ast.expr) -> str:
    """The type's source without names of `typing`; what is not known stays as it is."""
    return ast.unparse(ast.fix_missing_locations(_Modern().visit(annotation)))
