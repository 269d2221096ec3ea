"""Requirements checked on TypeScript without the grammar, by tree-sitter's syntax tree."""

import re
from collections.abc import Iterator, Mapping

from tree_sitter import Node

from functions.constraints.dotted import covering_path
from functions.constraints.extraction.syntax_tree import descendants, first_error, text_of
from functions.constraints.requirements import Requirements, guarded_prefixes
from functions.constraints.typescript_marks import marks_of
from functions.constraints.typescript_names import UPPER_CASE, forbidden_calls
from functions.constraints.typescript_signature import signature_of
from functions.constraints.typescript_tree import parsed
from functions.constraints.violations import LANGUAGE, Violation, in_characters

FUNCTIONS = frozenset(
    {
        *("function_declaration", "generator_function_declaration", "function_expression", "generator_function"),
        *("arrow_function", "method_definition"),
    }
)
_NAMES = frozenset(
    {
        *("identifier", "property_identifier", "type_identifier", "private_property_identifier"),
        *("shorthand_property_identifier", "shorthand_property_identifier_pattern"),
    }
)
_FUNCTION_NAMES = frozenset({"identifier", "property_identifier"})
_WITH_FUNCTION_NAMES = FUNCTIONS | {"function_signature", "abstract_method_signature"}
_CLASSES = frozenset(
    {
        *("class_declaration", "abstract_class_declaration", "class", "interface_declaration"),
        *("type_alias_declaration", "enum_declaration"),
    }
)


def typescript_violations(text: str, requirements: Requirements) -> list[Violation]:
    """All that the text breaks of what concerns code, in the order of the text."""
    source = text.encode()
    lines = source.split(b"\n")
    root = parsed(source)
    if (error := first_error(root)) is not None:
        return list(in_characters([_at(error, LANGUAGE, "not TypeScript")], lines))
    found = [
        *_signatures(root, source, requirements),
        *_names(root, source, requirements.forbidden_names),
        *_calls(root, source, forbidden_calls(requirements)),
        *_imports(root, source, requirements),
        *_naming(root, source, requirements),
        *_marks(root, source, requirements.forbidden_marks),
        *_habits(root, source, requirements),
        *_nesting(root, requirements),
        *_lengths(root, source, requirements),
        *_must_call(root, source, requirements.must_call),
    ]
    return sorted(in_characters(found, lines), key=lambda v: (v.line, v.column))


def _at(node: Node, constraint: str, message: str) -> Violation:
    return Violation(constraint, node.start_point.row + 1, node.start_point.column + 1, message)


def _signatures(root: Node, source: bytes, requirements: Requirements) -> Iterator[Violation]:
    for wanted, constraint in requirements.signatures:
        functions = [
            node
            for child in root.named_children
            for node in (child, *child.named_children)
            if node.type in {"function_declaration", "generator_function_declaration"}
        ]
        if not any(signature_of(function, source).head == wanted.head for function in functions):
            yield Violation(constraint, 1, 1, f"there is no function `{wanted.head}`")


def _names(root: Node, source: bytes, forbidden: Mapping[str, str]) -> Iterator[Violation]:
    for node in descendants(root) if forbidden else ():
        name = text_of(node, source).removeprefix("#") if node.type in _NAMES else ""
        if name in forbidden:
            yield _at(node, forbidden[name], f"the name {name} is forbidden")


def _calls(root: Node, source: bytes, forbidden: Mapping[str, str]) -> Iterator[Violation]:
    guarded = guarded_prefixes(forbidden)
    for node in descendants(root) if forbidden else ():
        if node.type not in {"identifier", "shorthand_property_identifier"} or _is_bound(node) or _is_of_type(node):
            continue
        chain = text_of(node, source)
        place = node
        while _is_object_of(place) and place.parent is not None and chain in guarded:
            attribute = place.parent.child_by_field_name("property")
            chain = f"{chain}.{text_of(attribute, source)}" if attribute else chain
            place = place.parent
        if chain in forbidden:
            yield _at(node, forbidden[chain], f"{chain} may not be called")
        elif chain in guarded and (node.parent is None or node.parent.type != "import_specifier"):
            yield _at(node, guarded[chain], f"{chain} may only be used with a name below it")


def _is_object_of(node: Node) -> bool:
    """Whether it is what a plain `.name` is taken of."""
    parent = node.parent
    if parent is None or parent.type != "member_expression":
        return False
    is_plain = all(child.type != "optional_chain" for child in parent.children)
    return is_plain and parent.child_by_field_name("object") == node


def _is_of_type(node: Node) -> bool:
    """Whether it is the namespace of a type (`a.b.T`), which nothing can be called through."""
    parent = node.parent
    while parent is not None and parent.type == "nested_identifier":
        parent = parent.parent
    return parent is not None and parent.type == "nested_type_identifier"


def _is_bound(node: Node) -> bool:
    """Whether it is declared here, and not used."""
    parent = node.parent
    if parent is None:
        return False
    declares = {
        *("required_parameter", "optional_parameter", "rest_pattern", "array_pattern"),
        *("namespace_import", "import_clause", "enum_declaration", "enum_body", "internal_module", "module"),
        *("type_predicate", "asserts"),
    }
    if parent.type in declares:
        return (
            parent.type not in {"required_parameter", "optional_parameter"}
            or parent.child_by_field_name("value") != node
        )
    for kind, field in (("import_specifier", "alias"), ("assignment_pattern", "left"), ("pair_pattern", "value")):
        if parent.type == kind:
            return parent.child_by_field_name(field) == node
    if parent.type == "for_in_statement":
        return parent.child_by_field_name("left") == node and parent.child_by_field_name("kind") is not None
    if parent.type == "catch_clause":
        return True
    named = parent.child_by_field_name("name") == node
    return named and parent.type in {"variable_declarator", *FUNCTIONS, *_CLASSES, "function_signature"}


def _imports(root: Node, source: bytes, requirements: Requirements) -> Iterator[Violation]:
    if not (requirements.forbidden_imports or requirements.allowed_imports):
        return
    for node in descendants(root):
        if node.type in {"import_statement", "export_statement"}:
            place = node.child_by_field_name("source")
            if place is not None:
                yield from _module(node, text_of(place, source).strip("\"'"), requirements)
        elif node.type == "import":
            restricting = [
                *requirements.forbidden_imports.values(),
                *(a.constraint for a in requirements.allowed_imports),
            ]
            if node.parent is not None and node.parent.type == "call_expression":
                yield _at(node, restricting[0], "a module may not be imported by an expression")


def _module(node: Node, module: str, requirements: Requirements) -> Iterator[Violation]:
    if entry := covering_path(requirements.forbidden_imports, module):
        yield _at(node, requirements.forbidden_imports[entry], f"{module} may not be imported")
    for allowed in requirements.allowed_imports:
        if not covering_path(allowed.modules, module):
            yield _at(node, allowed.constraint, f"{module} is not among the modules that may be imported")


def _naming(root: Node, source: bytes, requirements: Requirements) -> Iterator[Violation]:
    if not requirements.naming:
        return
    for node, role in bindings(root):
        name = text_of(node, source)
        if role == "constants":
            yield from _constant(node, name, requirements)
        else:
            yield from _mismatches(node, name, role, requirements)


def _constant(node: Node, name: str, requirements: Requirements) -> Iterator[Violation]:
    """A name outside functions is a constant, or else a variable."""
    if "variables" not in requirements.naming:
        yield from _mismatches(node, name, "constants", requirements)
    elif any(_mismatches(node, name, "variables", requirements)):
        if "constants" in requirements.naming:
            yield from _mismatches(node, name, "constants", requirements)
        elif not re.fullmatch(UPPER_CASE, name):
            yield from _mismatches(node, name, "variables", requirements)


def _mismatches(node: Node, name: str, role: str, requirements: Requirements) -> Iterator[Violation]:
    for pattern in requirements.naming.get(role, []):
        if not re.fullmatch(pattern.pattern, name, re.ASCII):
            yield _at(node, pattern.constraint, f"{name}, one of the {role}, does not match {pattern.pattern}")


def bindings(root: Node) -> Iterator[tuple[Node, str]]:
    """Names that the text defines, with their role; those of destructuring have none."""
    for node in descendants(root):
        name = node.child_by_field_name("name")
        if node.type in _CLASSES and name is not None:
            yield name, "classes"
        elif node.type in _WITH_FUNCTION_NAMES and name is not None and name.type in _FUNCTION_NAMES:
            # The methods of an object's literal are its keys.
            if name.text != b"constructor" and (node.parent is None or node.parent.type != "object"):
                yield name, "functions"
        elif node.type == "variable_declarator" and name is not None and name.type == "identifier":
            yield name, _role_of_variable(node)
        elif (bound := _bound_by_name(node)) is not None:
            yield bound


def _role_of_variable(declarator: Node) -> str:
    """A name that is given a function is a function's."""
    value = declarator.child_by_field_name("value")
    if value is not None and value.type in FUNCTIONS:
        return "functions"
    return "variables" if _in_function(declarator) or _in_loop_head(declarator) else "constants"


def _bound_by_name(node: Node) -> tuple[Node, str] | None:
    """A parameter, a loop's name, or what `catch` catches."""
    match node.type:
        case "required_parameter" | "optional_parameter":
            place, role = node.child_by_field_name("pattern"), "parameters"
            if place is not None and place.type == "rest_pattern":
                place = place.named_children[0]
        case "for_in_statement" if node.child_by_field_name("kind") is not None:
            place, role = node.child_by_field_name("left"), "variables"
        case "catch_clause":
            place, role = node.child_by_field_name("parameter"), "variables"
        case _:
            return None
    return (place, role) if place is not None and place.type == "identifier" else None


def _in_function(node: Node) -> bool:
    place = node.parent
    while place is not None:
        if place.type in FUNCTIONS or place.type == "class_static_block":
            return True
        place = place.parent
    return False


def _in_loop_head(node: Node) -> bool:
    declaration = node.parent
    return declaration is not None and declaration.parent is not None and declaration.parent.type == "for_statement"


def _marks(root: Node, source: bytes, forbidden: Mapping[str, str]) -> Iterator[Violation]:
    for node in descendants(root) if forbidden else ():
        for mark in sorted(marks_of(node, source, in_function=_in_function(node)) & forbidden.keys()):
            yield _at(node, forbidden[mark], f"{mark.replace('_', ' ')} is forbidden")


def _habits(root: Node, source: bytes, requirements: Requirements) -> Iterator[Violation]:
    declared = {"function_declaration", "generator_function_declaration", "method_definition"}
    for node in descendants(root):
        if (
            requirements.docstrings
            and node.type in {*declared, "class_declaration"}
            and not _is_documented(node, source)
        ):
            yield _at(node, requirements.docstrings, "it has no documentation comment")
        if requirements.annotations and node.type in FUNCTIONS - {"arrow_function"}:
            yield from _unannotated(node, source, requirements.annotations)


def _is_documented(node: Node, source: bytes) -> bool:
    place = node
    while place.parent is not None and place.parent.type == "export_statement":
        place = place.parent
    comment = place.prev_named_sibling
    return comment is not None and comment.type == "comment" and text_of(comment, source).startswith("/**")


def _unannotated(node: Node, source: bytes, constraint: str) -> Iterator[Violation]:
    name = node.child_by_field_name("name")
    parameters = node.child_by_field_name("parameters")
    for parameter in parameters.named_children if parameters else ():
        if parameter.type.endswith("_parameter") and parameter.child_by_field_name("type") is None:
            yield _at(parameter, constraint, f"{text_of(parameter, source)[:40]} has no type")
    first = node.children[0].type
    needs_none = name is not None and name.text == b"constructor"
    if (
        node.child_by_field_name("return_type") is None
        and not needs_none
        and "set" not in {c.type for c in node.children}
    ):
        yield _at(node, constraint, f"{first} has no type for its result")


def _nesting(root: Node, requirements: Requirements) -> Iterator[Violation]:
    if requirements.max_nesting is None:
        return
    most, constraint = requirements.max_nesting
    waiting: list[tuple[Node, int, bool]] = [(root, 0, False)]
    while waiting:
        node, depth, in_function = waiting.pop()
        is_body = node.type == "statement_block" and node.parent is not None and node.parent.type in FUNCTIONS
        if node.type in {"statement_block", "switch_body"} and not (is_body and not in_function):
            depth += 1
            if depth > most:
                yield _at(node, constraint, f"blocks are nested {depth} deep; {most} are allowed")
                continue
        waiting += [(child, depth, in_function or is_body) for child in node.named_children]


def _lengths(root: Node, source: bytes, requirements: Requirements) -> Iterator[Violation]:
    if requirements.max_lines is None:
        return
    most, constraint = requirements.max_lines
    functions = [node for node in descendants(root) if node.type in FUNCTIONS - {"arrow_function"}]
    for node in functions:
        if (lines := node.end_point.row - node.start_point.row + 1) > most:
            yield _at(node, constraint, f"it has {lines} lines; {most} are allowed")
    if not functions and (lines := len(source.decode().splitlines())) > most:
        yield Violation(constraint, most + 1, 1, f"the text has {lines} lines; {most} are allowed")


def _must_call(root: Node, source: bytes, wanted: Mapping[str, str]) -> Iterator[Violation]:
    calls = (node.child_by_field_name("function") for node in descendants(root) if node.type == "call_expression")
    called = {text_of(call, source) for call in calls if call is not None} if wanted else set()
    for call, constraint in wanted.items():
        if call not in called:
            yield Violation(constraint, 1, 1, f"{call} is never called")
