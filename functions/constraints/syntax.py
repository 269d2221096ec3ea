"""The words for pieces of Python's syntax, as `forbid_syntax` and `allow_syntax` take them.

A word, and each name of a node class of `ast`, stands for one or more marks. The marks are those at the ends of lines
in `grammars/python.lark`; `marks_of` says which marks a node of a parsed text has. So the same word means the same to
the grammar and to the check that is made without it.
"""

import ast

# product.md's words: `allow_syntax` forbids those of them that it does not name.
WORDS: dict[str, frozenset[str]] = {
    word: frozenset(marks.split())
    for word, marks in {
        "global": "global",
        "nonlocal": "nonlocal",
        "while": "while",
        "for": "for",
        "if": "if",
        "try": "try",
        "with": "with",
        "raise": "raise",
        "assert": "assert",
        "return": "return",
        "assign": "plain_assign augmented_assign annotated_assign",
        "lambda": "lambda",
        "walrus": "walrus",
        "bare_except": "bare_except",
        "comprehension": "list_comprehension set_comprehension dict_comprehension generator",
        "star_args": "star_args",
        "yield": "yield yield_from",
        "async": "async_def async_for async_with async_comprehension await",
        "match": "match",
        "decorator": "decorator",
        "nested_function": "nested_function",
        "class": "class",
    }.items()
}
_MORE_WORDS = {
    "import": "import import_from",
    "delete": "del",
    "break": "break",
    "continue": "continue",
    "pass": "pass",
    "ternary": "ternary",
    "fstring": "fstring",
    "slice": "slice",
    "starred": "starred",
    "await": "await",
    "comment": "comment",
}
# Words of TypeScript's grammar; no Python text has them.
_TYPESCRIPT_WORDS = {
    word: word
    for word in (
        "any",
        "var",
        "let",
        "const",
        "throw",
        "switch",
        "do",
        "enum",
        "namespace",
        "cast",
        "non_null",
        "regex",
    )
}

# Operators and patterns are marked with the names of their node classes.
_OPERATORS = [
    node.__name__ for base in (ast.operator, ast.unaryop, ast.cmpop, ast.pattern) for node in base.__subclasses__()
]
_NODES: dict[str, str] = {
    **{name: name for name in _OPERATORS},
    "FunctionDef": "def",
    "AsyncFunctionDef": "async_def",
    "ClassDef": "class",
    "Return": "return",
    "Delete": "del",
    "Assign": "plain_assign",
    "AugAssign": "augmented_assign",
    "AnnAssign": "annotated_assign",
    "For": "for",
    "AsyncFor": "async_for",
    "While": "while",
    "If": "if",
    "With": "with",
    "AsyncWith": "async_with",
    "Match": "match",
    "Raise": "raise",
    "Try": "try",
    "TryStar": "except_star",
    "Assert": "assert",
    "Import": "import",
    "ImportFrom": "import_from",
    "Global": "global",
    "Nonlocal": "nonlocal",
    "Expr": "expression_statement",
    "Pass": "pass",
    "Break": "break",
    "Continue": "continue",
    "BoolOp": "and or",
    "And": "and",
    "Or": "or",
    "NamedExpr": "walrus",
    "BinOp": "binary",
    "UnaryOp": "unary not",
    "Not": "not",
    "Lambda": "lambda",
    "IfExp": "ternary",
    "Dict": "dict",
    "Set": "set",
    "ListComp": "list_comprehension",
    "SetComp": "set_comprehension",
    "DictComp": "dict_comprehension",
    "GeneratorExp": "generator",
    "Await": "await",
    "Yield": "yield",
    "YieldFrom": "yield_from",
    "Compare": "compare",
    "Call": "call",
    "FormattedValue": "fstring",
    "JoinedStr": "fstring",
    "Attribute": "attribute",
    "Subscript": "subscript",
    "Starred": "starred",
    "List": "list",
    "Tuple": "tuple",
    "Slice": "slice",
    "ExceptHandler": "except",
    "keyword": "keyword_argument",
}
_MARKS_OF_NODES: dict[type, frozenset[str]] = {
    getattr(ast, name): frozenset(marks.split()) for name, marks in _NODES.items() if name not in {"BoolOp", "UnaryOp"}
}
# Nothing can be written without these, or they are how `ast` stores what another word stands for.
_UNAVOIDABLE = {
    *("Module", "Expression", "Interactive", "FunctionType", "Name", "Constant", "Load", "Store", "Del"),
    *("arguments", "arg", "alias", "withitem", "match_case"),
}
_NODE_MARKS = {name: frozenset(marks.split()) for name, marks in _NODES.items()}
_EXTRA_MARKS = {word: frozenset(marks.split()) for word, marks in (_MORE_WORDS | _TYPESCRIPT_WORDS).items()}
ALL: dict[str, frozenset[str]] = {**_NODE_MARKS, **_EXTRA_MARKS, **WORDS}


def check_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words, if each is known; `ValueError` names the first that is not, and what is."""
    for word in words:
        if word in _UNAVOIDABLE:
            raise ValueError(f"nothing can be written without {word!r}")
        if word not in ALL:
            raise ValueError(f"unknown syntax {word!r}; known are {', '.join(WORDS)}, and the node classes of ast")
    return words


def marks_of(node: ast.AST, *, in_function: bool) -> frozenset[str]:  # noqa: C901 - one case a kind of node
    """The marks of this node alone, not of those in it. `in_function`: it stands inside another function."""
    marks = set(_MARKS_OF_NODES.get(type(node), frozenset()))
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            marks |= {"nested_function"} if in_function else set()
            marks |= {"decorator"} if node.decorator_list else set()
            marks |= _star_parameters(node.args)
        case ast.ClassDef():
            marks |= {"decorator"} if node.decorator_list else set()
            marks |= _star_arguments(node.bases, node.keywords)
        case ast.Lambda():
            marks |= _star_parameters(node.args)
        case ast.Call():
            marks |= _star_arguments(node.args, node.keywords)
        case ast.keyword(arg=None):
            marks.clear()
        case ast.ExceptHandler(type=None):
            marks.add("bare_except")
        case ast.UnaryOp(op=op):
            marks.add("not" if isinstance(op, ast.Not) else "unary")
        case ast.AsyncFor():
            marks.add("for")
        case ast.AsyncWith():
            marks.add("with")
        case ast.TryStar():
            marks.add("try")
        case ast.YieldFrom():
            marks.add("yield")
        case ast.comprehension(is_async=1):
            marks.add("async_comprehension")
    return frozenset(marks)


def _star_parameters(arguments: ast.arguments) -> set[str]:
    return {"star_args"} if arguments.vararg or arguments.kwarg else set()


def _star_arguments(positional: list[ast.expr], keywords: list[ast.keyword]) -> set[str]:
    starred = any(isinstance(a, ast.Starred) for a in positional) or any(k.arg is None for k in keywords)
    return {"star_args"} if starred else set()
