"""Rules about names, as terminals of `grammars/typescript.lark`.

A dotted call is held by its name as it is written: `fs.rmSync`, with `fs` usable in no other way. What an import
renames is another name.
"""

from collections.abc import Iterable, Iterator, Mapping

from functions.constraints.dotted import covering_path
from functions.constraints.requirements import Requirements, guarded_prefixes
from functions.constraints.word_patterns import any_of, slashed

_ROLE_TERMINALS = {
    "functions": ("FUNCTION_NAME", "METHOD_NAME"),
    "classes": ("CLASS_NAME",),
    "parameters": ("PARAMETER",),
    "variables": ("VARIABLE",),
}
UPPER_CASE = "[A-Z_$][A-Z0-9_$]*"
REQUIRE = "require"
"""CommonJS's import, which no import statement shows: forbidden wherever imports are."""


def name_definitions(requirements: Requirements, grammar: Mapping[str, str]) -> dict[str, str]:
    """Bodies of terminals, by their heads, that replace those in `grammar` or are new in it."""
    return dict((*_forbidden(requirements, grammar), *_named(requirements, grammar), *_imported(requirements, grammar)))


def marks_of_imports(requirements: Requirements) -> frozenset[str]:
    """The marks of what names a module, where none is left that it could: a text that has begun it could not go on."""
    lists = requirements.allowed_imports
    left = (
        module
        for module in {module for allowed in lists for module in allowed.modules}
        if all(covering_path(allowed.modules, module) for allowed in lists)
        and not covering_path(requirements.forbidden_imports, module)
    )
    return frozenset() if not lists or any(left) else frozenset({"import", "export_from"})


def _forbidden(requirements: Requirements, grammar: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if requirements.forbidden_names:
        yield "FORBIDDEN_NAME", _any(requirements, requirements.forbidden_names)
        yield "WORD", f"({grammar['WORD']}) & ~FORBIDDEN_NAME"
    calls = forbidden_calls(requirements)
    if not calls:
        return
    plain = [call for call in calls if "." not in call]
    guarded = guarded_prefixes({call: "" for call in calls if call.partition(".")[0] not in plain})
    roots = {prefix for prefix in guarded if "." not in prefix}
    names = f"(IDENTIFIER & ~{_any(requirements, [*plain, *roots])})"
    prefixes = [prefix for prefix in guarded if not requirements.forbidden_names.keys() & set(prefix.split("."))]
    if prefixes:
        never = _any(requirements, [*(call for call in calls if "." in call), *guarded])
        names += f' | (({_any(requirements, prefixes)} "." WORD) & ~{never})'
    yield "NAME", names
    if plain:
        yield "IMPORTED_NAME", f"WORD & ~{_any(requirements, plain)}"


def forbidden_calls(requirements: Requirements) -> dict[str, str]:
    """With what imports without an import statement, where imports are restricted."""
    calls = {
        call: name for call, name in requirements.forbidden_calls.items() if not call.startswith(("builtins.", "__"))
    }
    calls.pop("importlib.import_module", None)
    restricting = [*requirements.forbidden_imports.values(), *(a.constraint for a in requirements.allowed_imports)]
    return calls | ({REQUIRE: restricting[0]} if restricting else {})


def _named(requirements: Requirements, grammar: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    patterns = {role: [f"/{slashed(p.pattern)}/" for p in found] for role, found in requirements.naming.items()}
    for role, terminals in _ROLE_TERMINALS.items():
        for terminal in terminals if role in patterns else ():
            if terminal in grammar:
                yield terminal, " & ".join([f"({grammar[terminal]})", *patterns[role]])
    if "constants" in patterns or "variables" in patterns:
        constants = " & ".join(["DEFINED", *patterns.get("constants", [f"/{slashed(UPPER_CASE)}/"])])
        yield "CONSTANT", f"({constants}) | VARIABLE" if "variables" in patterns else constants


def _imported(requirements: Requirements, grammar: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    limits = [f"/{_modules(requirements, allowed.modules)}/" for allowed in requirements.allowed_imports]
    if requirements.forbidden_imports:
        limits.append(f"~/{_modules(requirements, requirements.forbidden_imports)}/")
    if limits and "IMPORT_MODULE" in grammar:
        yield "IMPORT_MODULE", " & ".join(["STRING", *limits])


def _modules(requirements: Requirements, modules: Iterable[str]) -> str:
    """Modules with all below them, as quoted texts."""
    names = list(modules)
    pattern = slashed(any_of(names, factored=requirements.factored)) if names else r"[^\s\S]"
    return rf'"{pattern}(\/[^"]*)?"'


def _any(requirements: Requirements, words: Iterable[str]) -> str:
    return f"/{slashed(any_of(words, factored=requirements.factored))}/"
