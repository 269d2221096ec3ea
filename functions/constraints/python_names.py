"""Rules about names, as terminals of `grammars/python.lark`: what may be called, imported, and how things are named.

A forbidden call `os.system` is refused in every form that could make it: `os` can only be written with something else
below it, cannot be handed on or given another name, and `system` cannot be imported from it. So no context is needed
to enforce it, and the mask holds it character by character.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from functions.constraints.dotted import below, covering, parent_and_name
from functions.constraints.requirements import AllowedImports, Requirements, guarded_prefixes
from functions.constraints.word_patterns import any_of, escaped, slashed

_ROLE_TERMINALS = {
    "functions": "FUNCTION_NAME",
    "classes": "CLASS_NAME",
    "variables": "VARIABLE",
    "parameters": "PARAMETER",
}
UPPER_CASE = "[A-Z_][A-Z0-9_]*"
"""What is taken for a constant where only variables have a pattern: `MAX_SIZE` is none of them."""
_NOTHING = r"/[^\s\S]/"
_ITEM = "[A-Za-z0-9_]+( as [A-Za-z0-9_]+)?"
_BELOW = r"(\.[A-Za-z_][A-Za-z0-9_]*)*"


def name_definitions(requirements: Requirements, grammar: Mapping[str, str]) -> dict[str, str]:
    """Bodies of rules and terminals, by their heads, that replace those in `grammar` or are new in it."""
    changed: dict[str, str] = {}
    if requirements.forbidden_names:
        changed["FORBIDDEN_NAME"] = _regex(_any_of(requirements, requirements.forbidden_names))
        changed["IDENTIFIER"] = f"{grammar['IDENTIFIER']} & ~FORBIDDEN_NAME"
    if "__debug__" in requirements.forbidden_names or "__debug__" in requirements.forbidden_calls:
        changed["DEBUG"] = _NOTHING
    changed["self"] = " | ".join(f'"{word}"' for word in _selves(requirements)) or _NOTHING
    changed |= dict(_named(requirements, grammar))
    changed |= dict(_called(requirements, grammar))
    changed |= dict(_imported(requirements, grammar))
    return {head: body for head, body in changed.items() if head in grammar or head not in _REPLACED}


_REPLACED = frozenset(
    {"self", "value_pattern", "class_pattern_name", "import_name", "from_import", "star_import", "import_statement"}
)


def marks_of_match(requirements: Requirements) -> frozenset[str]:
    """The marks of where the name `match`, which has rules of its own in the grammar, may not be assigned."""
    if "match" in requirements.forbidden_names:
        return frozenset({"match_variable", "match_constant", "match_field"})
    fits = {
        role: all(re.fullmatch(p.pattern, "match") for p in requirements.naming.get(role, []))
        for role in ("variables", "constants")
    }
    marks = set() if fits["variables"] else {"match_variable"}
    if not ("variables" in requirements.naming and fits["variables"]) and not (
        fits["constants"] and ("constants" in requirements.naming or "variables" not in requirements.naming)
    ):
        marks.add("match_constant")
    return frozenset(marks)


def marks_of_imports(requirements: Requirements) -> frozenset[str]:
    """The marks of imports that no module is left for: a text that has begun one could not go on."""
    lists = requirements.allowed_imports
    if not lists:
        return frozenset()
    names = requirements.forbidden_names.keys()
    left = [
        module
        for module in dict.fromkeys(module for allowed in lists for module in allowed.modules)
        if all(covering(allowed.modules, module) for allowed in lists)
        and not covering(requirements.forbidden_imports, module)
        and not names & set(module.split("."))
    ]
    marks = set() if any(not module.startswith(".") for module in left) else {"import"}
    if not left and not any(_special_imports(requirements, _special_modules(requirements))):
        marks.add("import_from")
    return frozenset(marks)


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
    """`NAME` without what may not be called; `GUARDED`, names that others may only be written below.

    A guarded name and what is below it is one terminal: the lexer takes it as a whole, and thousands of them cost no
    rules.
    """
    calls = requirements.forbidden_calls
    if not calls:
        return
    plain = _plain(requirements)
    guarded = guarded_prefixes({call: "" for call in calls if call.partition(".")[0] not in plain})
    roots = {prefix for prefix in guarded if "." not in prefix}
    yield "NAME", f"IDENTIFIER & ~{_regex(_any_of(requirements, [*plain, *roots]))}"
    if plain:
        yield "IMPORTED_NAME", f"IDENTIFIER & ~{_regex(_any_of(requirements, plain))}"
    names = requirements.forbidden_names.keys()
    prefixes = [prefix for prefix in guarded if not names & set(prefix.split("."))]
    if not prefixes or "ATTRIBUTE" not in grammar:
        return
    never = [*(call for call in calls if "." in call), *guarded]
    below_them = f'{_regex(_any_of(requirements, prefixes))} "." IDENTIFIER'
    yield "GUARDED", f"({below_them}) & ~{_regex(_any_of(requirements, never))}"
    yield "loaded_name", "NAME | GUARDED"
    for pattern in ("value_pattern", "class_pattern_name"):
        if pattern in grammar:
            yield pattern, f'{grammar[pattern]}\n    | GUARDED ("." ATTRIBUTE)*'


def _imported(requirements: Requirements, grammar: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    guarded = guarded_prefixes(requirements.forbidden_calls)
    forbidden = requirements.forbidden_imports
    lists = requirements.allowed_imports
    paths = [terminal for terminal in ("RELATIVE_MODULE", "MODULE_PATH") if terminal in grammar]
    if not (guarded or forbidden or lists) or not paths:
        return
    limits = [f"/{_any_module(requirements, allowed.modules)}/" for allowed in lists]
    limits += [f"~/{_any_module(requirements, forbidden)}/"] if forbidden else []
    yield "ALLOWED_MODULE", " & ".join([f"({' | '.join(paths)})", *limits])
    yield "IMPORT_MODULE", "MODULE_PATH & ALLOWED_MODULE"
    if guarded:
        yield "ALIASED_MODULE", f"IMPORT_MODULE & ~{_regex(_any_of(requirements, guarded))}"
        yield "import_name", 'IMPORT_MODULE | ALIASED_MODULE " as " IMPORTED_AS'
    special = _special_modules(requirements)
    if not special:
        yield "FROM_MODULE", "ALLOWED_MODULE"
        return
    yield "FROM_MODULE", f"ALLOWED_MODULE & ~{_regex(_any_of(requirements, special))}"
    forms = [*_special_imports(requirements, special)]
    if "from_import" not in grammar or not forms:
        return
    yield "FROM_SPECIAL", " | ".join(forms)
    yield "from_import", f'{grammar["from_import"]}\n    | "from " FROM_SPECIAL'


def _special_imports(
    requirements: Requirements, special: Mapping[str, tuple[list[str] | None, list[str]]]
) -> Iterator[str]:
    """`os import getcwd, path as p`, for each module that not every name may be imported from: one terminal."""
    plain = _plain(requirements)
    never_named = {*plain, *requirements.forbidden_names}
    name = f"(IDENTIFIER & ~{_regex(_any_of(requirements, plain))})" if plain else "IDENTIFIER"
    item = f'{name} (" as " IDENTIFIER)?'
    items = f'{item} (", " {item})*'
    open_modules = [module for module, (only, _) in special.items() if only is None]
    if open_modules:
        never = "|".join(
            f"{escaped(module)} import ({_ITEM}, )*{_any_of(requirements, names)}(( as |, ).*)?"
            for module, (only, names) in special.items()
            if only is None
        )
        yield f'(({_regex(_any_of(requirements, open_modules))} " import " {items}) & ~{_regex(never)})'
    for module, (only, names) in special.items():
        if only is not None and (left := [name for name in only if name not in {*names, *never_named}]):
            one = f'({name} & {_regex(_any_of(requirements, left))}) (" as " IDENTIFIER)?'
            yield f'("{module} import " {one} (", " {one})*)'


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
        if module and not covering(requirements.forbidden_imports, module):
            never.setdefault(module, []).append(name)
    listed: dict[str, list[str]] = {}
    for path in (path for allowed in requirements.allowed_imports for path in allowed.modules):
        module, name = parent_and_name(path)
        if module and not covering(requirements.forbidden_imports, module):
            listed.setdefault(module, []).append(name)
    special: dict[str, tuple[list[str] | None, list[str]]] = {}
    for module, names in listed.items():
        if only := _only(module, dict.fromkeys(names), requirements.allowed_imports):
            special[module] = only, never.get(module, [])
    for module, names in never.items():
        if module not in special and all(covering(a.modules, module) for a in requirements.allowed_imports):
            special[module] = None, names
    # A module that has a forbidden name in its path cannot be named at all.
    forbidden = requirements.forbidden_names.keys()
    return {module: names for module, names in special.items() if not forbidden & set(module.split("."))}


def _only(module: str, names: Iterable[str], lists: list[AllowedImports]) -> list[str] | None:
    """Those of the names that all lists allow to be imported from the module; None if all lists cover the module."""
    if all(covering(allowed.modules, module) for allowed in lists):
        return None
    return [name for name in names if all(covering(allowed.modules, below(module, name)) for allowed in lists)]


def _any_module(requirements: Requirements, modules: Iterable[str]) -> str:
    """Modules with all below them. `.` covers every module of the package that the text is in."""
    absolute = [m for m in modules if m.strip(".")]
    dots = [m for m in modules if not m.strip(".")]
    patterns = [f"{_any_of(requirements, absolute)}{_BELOW}"] if absolute else []
    patterns += [rf"{escaped(dot)}([A-Za-z_][A-Za-z0-9_]*{_BELOW})?" for dot in dots]
    return "|".join(patterns) or r"[^\s\S]"


def _any_of(requirements: Requirements, words: Iterable[str]) -> str:
    return any_of(words, factored=requirements.factored)


def _regex(pattern: str) -> str:
    return f"/{slashed(pattern)}/"
