"""Which of the marks in `grammars/typescript.lark` a node of tree-sitter's tree has."""

from tree_sitter import Node

from functions.constraints.extraction.syntax_tree import text_of

_OF_TYPES = {
    "while_statement": "while",
    "do_statement": "while do",
    "for_statement": "for",
    "for_in_statement": "for",
    "if_statement": "if",
    "try_statement": "try",
    "catch_clause": "except",
    "throw_statement": "raise throw",
    "return_statement": "return",
    "break_statement": "break",
    "continue_statement": "continue",
    "switch_statement": "match switch",
    "expression_statement": "expression_statement",
    "assignment_expression": "assign plain_assign",
    "augmented_assignment_expression": "assign augmented_assign",
    "update_expression": "assign augmented_assign update",
    "arrow_function": "lambda arrow",
    "function_expression": "lambda function_expression",
    "generator_function": "lambda function_expression yield",
    "class_declaration": "class",
    "abstract_class_declaration": "class",
    "class": "class",
    "decorator": "decorator",
    "yield_expression": "yield",
    "generator_function_declaration": "yield",
    "await_expression": "async await",
    "spread_element": "starred star_args spread",
    "rest_pattern": "rest",
    "ternary_expression": "ternary",
    "template_string": "template fstring",
    "regex": "regex",
    "variable_declaration": "var",
    "enum_declaration": "enum",
    "internal_module": "namespace",
    "as_expression": "cast",
    "satisfies_expression": "cast",
    "type_assertion": "cast",
    "non_null_expression": "non_null",
    "comment": "comment",
    "import_statement": "import",
    "new_expression": "call new",
    "array": "list",
    "object": "dict",
    "debugger_statement": "debugger",
}
_MARKS = {kind: frozenset(marks.split()) for kind, marks in _OF_TYPES.items()}
_NESTABLE = frozenset({"function_declaration", "generator_function_declaration"})


def marks_of(node: Node, source: bytes, *, in_function: bool) -> frozenset[str]:
    """The marks of this node alone. `in_function`: it stands inside another function."""
    marks = _MARKS.get(node.type, frozenset())
    match node.type:
        case "function_declaration" | "generator_function_declaration" if in_function:
            marks |= {"nested_function"}
        case "lexical_declaration":
            marks |= {text_of(node.children[0], source)}
        case "predefined_type" if text_of(node, source) == "any":
            marks |= {"any"}
        case "required_parameter" if any(child.type == "rest_pattern" for child in node.named_children):
            marks |= {"star_args", "rest"}
    if any(child.type == "async" for child in node.children):
        marks |= {"async", "async_def"}
    return marks
