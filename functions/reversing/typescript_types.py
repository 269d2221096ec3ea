"""TypeScript's types in the notation that specifications have: Python's."""

from collections.abc import Mapping

from tree_sitter import Node

from functions.constraints.extraction.syntax_tree import text_of

_PREDEFINED: Mapping[str, str] = {
    "number": "float", "bigint": "int", "string": "str", "boolean": "bool", "void": "None", "undefined": "None",
    "null": "None", "any": "object", "unknown": "object", "object": "object", "never": "None", "Uint8Array": "bytes",
}  # fmt: skip
_GENERIC: Mapping[str, str] = {
    "Array": "list", "ReadonlyArray": "list", "Set": "set", "ReadonlySet": "set", "Map": "dict", "ReadonlyMap": "dict",
    "Record": "dict",
}  # fmt: skip


def type_in_python(node: Node, source: bytes) -> str | None:  # noqa: PLR0911 - one case for each form of a type
    """None for a type that has no such notation: an object's shape, a function, a condition."""
    match node.type:
        case "type_annotation" | "parenthesized_type" | "readonly_type":
            return type_in_python(node.named_children[-1], source)
        case "predefined_type" | "type_identifier":
            name = text_of(node, source)
            return _PREDEFINED.get(name, name)
        case "literal_type":
            text = text_of(node, source)
            literal = {"null": "None", "undefined": "None", "true": "True", "false": "False"}.get(text, text)
            return literal if literal == "None" else f"Literal[{literal}]"
        case "array_type":
            inner = type_in_python(node.named_children[0], source)
            return inner and f"list[{inner}]"
        case "tuple_type":
            return _of_several("tuple", node.named_children, source)
        case "union_type":
            parts = [type_in_python(child, source) for child in node.named_children]
            return None if None in parts else " | ".join(dict.fromkeys(part for part in parts if part))
        case "generic_type":
            name = text_of(node.named_children[0], source)
            return _of_several(_GENERIC.get(name, name), node.named_children[1].named_children, source)
    return None


def _of_several(name: str, arguments: list[Node], source: bytes) -> str | None:
    parts = [type_in_python(argument, source) for argument in arguments]
    return None if None in parts or not parts else f"{name}[{', '.join(part for part in parts if part)}]"
