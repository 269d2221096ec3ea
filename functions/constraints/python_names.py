"""Rules about names, as terminals of `grammars/python.lark`: what may be called, imported, and how things are named.

A forbidden call `os.system` is refused in every form that could make it: `os` can only be written with something else
below it, cannot be handed on or given another name, and `system` cannot be imported from it. So no context is needed
to enforce it, and the mask holds it character by character.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from functions.constraints.dotted import below, covers, parent_and_name
from functions.constraints.requirements import AllowedImports, Requirements, guarded_prefixes
from functions.constraints.word_patterns import any_of, escaped

_ROLE_TERMINALS = {
    "functions": "FUNCTION_NAME",
    "classes": "CLASS_NAME",
    "variables": "VARIABLE",
    "parameters": "PARAMETER",
}
UPPER_CASE = "[A-Z_][A-Z0-9_]*"
"""What is taken for a constant where only variables have a pattern: `MAX_SIZE` is none of them."""
_NOTHING = r"/[^\s\S]/"
_BELOW = r"(\.[A-Za-z_][A-Za-z0-9_]*)*"


def name_definitions(requirements: Requirements, grammar: Mapping[str, str]) -> dict[str, str]:
    """Bodies of rules and terminals, by their heads, that replace those in `grammar` or are new in it."""
    changed: dict[str, str] = {}
    if requirements.forbidden_names:
        changed["FORBIDDEN_NAME"] = _regex(any_of(requirements.forbidden_names))
        changed["IDENTIFIER"] = f"{grammar['IDENTIFIER']} & ~FORBIDDEN_NAME"
    changed["self"] = " | ".join(f'"{word}"' for word in _selves(requirements)) or _NOTHING
    changed |= dict(_named(requirements, grammar))
    changed |= dict(_called(requirements, grammar))
    changed |= dict(_imported(requirements, grammar))
    return {head: body for head, body in changed.items() if head in grammar or head not in _REPLACED}


_REPLACED = frozenset(
    {"self", "value_pattern", "class_pattern_name", "import_name", "from_import", "star_import", "import_statement"}
)


def match_may_be_assigned(requirements: Requirements) -> bool:
    """Whether the name `match`, which has rules of its own in the grammar, may be a variable and a constant."""
    patterns = [p.pattern for role in ("variables", "constants") for p in requirements.naming.get(role, [])]
    return "match" not in requirements.forbidden_names and all(re.fullmatch(p, "match") for p in patterns)


def _selves(requirements: Requirements) -> list[str]:
    """What a method's first parameter may be called without an annotation."""
    patterns = requirements.naming.get("parameters", [])
    return [
        word
        for word in ("self", "cls")
        if word not in requirements.forbidden_names and all(re.fullmatch(p.pattern, word) for p in patterns)
    ]


def _named(requirements: Requirements, grammar: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each role's terminal intersected with all patterns for the role."""
    patterns = {role: [_regex(p.pattern) for p in found] for role, found in requirements.naming.items()}
    for role, terminal in _ROLE_TERMINALS.items():
        if role in patterns:
            yield terminal, " & ".join([grammar.get(terminal, "IDENTIFIER"), *patterns[role]])
    if "constants" in patterns or "variables" in patterns:
        constants = " & ".join(["IDENTIFIER", *patterns.get("constants", [f"/{UPPER_CASE}/"])])
        yield "CONSTANT", f"({constants}) | VARIABLE" if "variables" in patterns else constants


def _called(requirements: Requirements, grammar: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """`NAME` without what may not be called, and what may be below the names that are guarded."""
    calls = requirements.forbidden_calls
    if not calls:
        return
    plain = [call for call in calls if "." not in call]
    tree = _tree(call for call in calls if "." in call and call.partition(".")[0] not in plain)
    yield "NAME", f"IDENTIFIER & ~{_regex(any_of([*plain, *tree]))}"
    if plain:
        yield "IMPORTED_NAME", f"IDENTIFIER & ~{_regex(any_of(plain))}"
    paths = [(path, never) for path, never in _guards(tree, ()) if not requirements.forbidden_names.keys() & set(path)]
    if not paths or "ATTRIBUTE" not in grammar:
        return
    alternatives: list[str] = []
    for number, (path, never) in enumerate(paths, 1):
        terminal = f"UNGUARDED_{number}"
        alternatives.append(" ".join([*(f'"{part}" "."' for part in path), terminal]))
        yield terminal, f"IDENTIFIER & ~{_regex(any_of(never))}"
    yield "guarded", "\n    | ".join(alternatives)
    yield "loaded_name", "NAME | guarded"
    if "value_pattern" in grammar:
        yield "value_pattern", f'{grammar["value_pattern"]}\n    | guarded ("." ATTRIBUTE)*'
    if "class_pattern_name" in grammar:
        yield "class_pattern_name", f'{grammar["class_pattern_name"]}\n    | guarded ("." ATTRIBUTE)*'


Tree = dict[str, "Tree | None"]
"""Names below names; None where all of it is forbidden."""


def _tree(calls: Iterable[str]) -> Tree:
    root: Tree = {}
    for call in calls:
        *path, last = call.split(".")
        node: Tree | None = root
        for part in path:
            if node is not None:
                node = node.setdefault(part, {})
        if node is not None:
            node[last] = None
    return root


def _guards(tree: Tree, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Iterable[str]]]:
    """Every path that something else may stand below, with the names that may not."""
    for name, inner in tree.items():
        if inner is not None:
            yield (*path, name), inner
            yield from _guards(inner, (*path, name))


def _imported(requirements: Requirements, grammar: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    guarded = guarded_prefixes(requirements.forbidden_calls)
    forbidden = requirements.forbidden_imports
    lists = requirements.allowed_imports
    paths = [terminal for terminal in ("RELATIVE_MODULE", "MODULE_PATH") if terminal in grammar]
    if not (guarded or forbidden or lists) or not paths:
        return
    limits = [f"/{_any_module(allowed.modules)}/" for allowed in lists]
    limits += [f"~/{_any_module(forbidden)}/"] if forbidden else []
    yield "ALLOWED_MODULE", " & ".join([f"({' | '.join(paths)})", *limits])
    yield "IMPORT_MODULE", "MODULE_PATH & ALLOWED_MODULE"
    if guarded:
        yield "ALIASED_MODULE", f"IMPORT_MODULE & ~{_regex(any_of(guarded))}"
        yield "import_name", 'IMPORT_MODULE | ALIASED_MODULE " as " IMPORTED_AS'
    special = _special_modules(requirements)
    if not special:
        yield "FROM_MODULE", "ALLOWED_MODULE"
        return
    yield "FROM_MODULE", f"ALLOWED_MODULE & ~{_regex(any_of(special))}"
    alternatives = [grammar["from_import"]] if "from_import" in grammar else []
    name = f"IDENTIFIER & ~{_regex(any_of(plain))}" if (plain := _plain(requirements)) else "IDENTIFIER"
    for number, (module, (only, never)) in enumerate(special.items(), 1):
        terminal = f"FROM_{number}"
        limit = f" & {_regex(any_of(only))}" if only is not None else ""
        yield terminal, f"{name}{limit}{f' & ~{_regex(any_of(never))}' if never else ''}"
        imported = f"imported_{number}"
        yield imported, f'{terminal} (" as " IMPORTED_AS)?'
        alternatives.append(f'"from " "{module}" " import " {imported} (", " {imported})*')
    yield "from_import", "\n    | ".join(alternatives)


def _plain(requirements: Requirements) -> list[str]:
    return [call for call in requirements.forbidden_calls if "." not in call]


def _special_modules(requirements: Requirements) -> dict[str, tuple[list[str] | None, list[str]]]:
    """Modules that some names may not be imported from: the only ones that may (None: any), and those that may not."""
    never: dict[str, list[str]] = {}
    for path in (
        *requirements.forbidden_imports,
        *requirements.forbidden_calls,
        *guarded_prefixes(requirements.forbidden_calls),
    ):
        module, name = parent_and_name(path)
        if module and not _is_forbidden(module, requirements.forbidden_imports):
            never.setdefault(module, []).append(name)
    special: dict[str, tuple[list[str] | None, list[str]]] = {}
    for allowed in requirements.allowed_imports:
        for path in allowed.modules:
            module, _ = parent_and_name(path)
            if module and module not in special and not _is_forbidden(module, requirements.forbidden_imports):
                only = _only(module, requirements.allowed_imports)
                if only:
                    special[module] = only, never.get(module, [])
    for module, names in never.items():
        if module not in special and all(_covered(module, allowed) for allowed in requirements.allowed_imports):
            special[module] = None, names
    return special


def _only(module: str, lists: list[AllowedImports]) -> list[str] | None:
    """The names that all lists allow to be imported from a module that not all of them cover; None if they all do."""
    narrow = [allowed for allowed in lists if not _covered(module, allowed)]
    if not narrow:
        return None
    names = {name for path in narrow[0].modules for above, name in [parent_and_name(path)] if above == module}
    return sorted(name for name in names if all(_covered(below(module, name), allowed) for allowed in lists))


def _covered(module: str, allowed: AllowedImports) -> bool:
    return any(covers(entry, module) for entry in allowed.modules)


def _is_forbidden(module: str, forbidden: Iterable[str]) -> bool:
    return any(covers(entry, module) for entry in forbidden)


def _any_module(modules: Iterable[str]) -> str:
    """Modules with all below them. `.` covers every module of the package that the text is in."""
    absolute = [m for m in modules if m.strip(".")]
    dots = [m for m in modules if not m.strip(".")]
    patterns = [f"{any_of(absolute)}{_BELOW}"] if absolute else []
    patterns += [rf"{escaped(dot)}([A-Za-z_][A-Za-z0-9_]*{_BELOW})?" for dot in dots]
    return "|".join(patterns) or r"[^\s\S]"


def _regex(pattern: str) -> str:
    return "/" + re.sub(r"(?<!\\)((?:\\\\)*)/", r"\1\/", pattern) + "/"
