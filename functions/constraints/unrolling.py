"""Writes a grammar out as Lark for llguidance 1.7: names of bits become numbers, unrolled bits rules of their own.

llguidance evaluates parameters while it parses, but completes a rule for every parameter that the rule was begun with
at the same place (`process_agenda` in its parser/src/earley/parser.rs compares symbols, not parameters). So a bit that
may have two values at one place, as the indentation at the end of a line has, cannot be left to it: rules are copied
for each value of such an `unrolled` bit, as far as they depend on it. All other bits must have, for each rule, one
value at a place; `grammars/python.lark` is written so that they do.
"""

import operator
import re
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from functions.constraints.template import (
    Alternative,
    Bits,
    Definition,
    Grammar,
    Reference,
    drop_impossible,
    pieces,
    references,
    replace_references,
)

_CHANGE = re.compile(r"(incr|only|with|without)\(([^)]*)\)$")
_CALL = re.compile(r"\s*(\w+)\(")
_HANDED_ON = re.compile(r"::[a-z]\w*\(|^\w+::\w+[*+]?$")
_WORD = re.compile(r"\b[A-Z][A-Z_]+\b")
_BOUND = re.compile(r"\{([01]),([A-Z_]+)\}")
_NO_LIMIT = 2**16
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "bit_set": lambda value, _: bool(value),
    "bit_clear": lambda value, _: not value,
}
_ALWAYS = "ge(_, 0)"
_ALL_BITS = 2**64 - 1

Context = frozenset[tuple[str, int]]
"""The unrolled bits that are not zero."""


class _Copy(NamedTuple):
    rule: str
    context: Context


def lark(grammar: Grammar, start: str = "start") -> str:
    """The text for llguidance, with what `start` leads to."""
    return joined(written(grammar, start))


def joined(definitions: Mapping[str, str]) -> str:
    """The text for llguidance of what `written` gave."""
    return "\n".join(f"{head}: {body}" for head, body in definitions.items())


def written(grammar: Grammar, start: str = "start") -> dict[str, str]:
    """The bodies of the rules and terminals that `start` leads to, by their heads, for llguidance."""
    definitions = _Unrolling(grammar).definitions(start)
    drop_impossible(definitions)
    definitions = _without_aliases(definitions, start)
    parametric = _parametric(definitions)
    return dict(_written(definition, parametric) for definition in definitions.values())


def _written(definition: Definition, parametric: set[str]) -> tuple[str, str]:
    bodies = []
    for alternative in definition.alternatives:
        plain = {r: r.name for r in references(alternative.text) if r.parameter and r.name not in parametric}
        text = replace_references(alternative.text, plain)
        bodies.append(f"{text} %if {alternative.condition}" if alternative.condition else text)
    if definition.name in parametric and len(bodies) == 1 and " %if " not in bodies[0] and _HANDED_ON.search(bodies[0]):
        # A lone alternative is written into the rules that refer to it, and there llguidance forgets what it makes of
        # its parameter, or panics (`do_rule_core` in its parser/src/lark/compiler.rs, `expand_shortcuts` in its
        # parser/src/earley/grammar.rs). A condition that always holds keeps it a rule.
        bodies = [f"{bodies[0]} %if {_ALWAYS}"]
    head = definition.name + ("::_" if definition.name in parametric else "")
    return head, "\n    | ".join(bodies)


def _without_aliases(definitions: Mapping[str, Definition], start: str) -> dict[str, Definition]:
    """The same, where a rule that is nothing but another in a changed context is written as that other.

    Building costs llguidance about 10 microseconds a rule, and a condition that always holds (below) as much again.
    """
    aliases: dict[str, Reference] = {}
    for name, definition in definitions.items():
        match definition.alternatives:
            case [Alternative(text, "")] if name != start:
                match references(text):
                    case [reference] if reference.parameter and text == f"{reference.name}::{reference.parameter}":
                        aliases[name] = reference
    return _reachable(definitions, start, aliases)


def _reachable(
    definitions: Mapping[str, Definition], start: str, aliases: Mapping[str, Reference]
) -> dict[str, Definition]:
    """What `start` leads to, with references to `aliases` replaced."""
    written: dict[str, Definition] = {}
    waiting = [start] if start in definitions else []
    while waiting:
        name = waiting.pop()
        if name in written:
            continue
        alternatives: list[Alternative] = []
        for alternative in definitions[name].alternatives:
            meant = {reference: _meant(reference, aliases) for reference in references(alternative.text)}
            changed = {
                reference: f"{other.name}::{other.parameter}" if other.parameter else other.name
                for reference, other in meant.items()
                if other != reference
            }
            text = replace_references(alternative.text, changed) if changed else alternative.text
            alternatives.append(Alternative(text, alternative.condition))
            waiting += [other.name for other in meant.values() if other.name in definitions]
        written[name] = Definition(name, tuple(alternatives))
    return written


def _meant(reference: Reference, aliases: Mapping[str, Reference]) -> Reference:
    """The rule that a reference in the same context leads to.

    One in another context keeps its alias: llguidance panics (`expand_shortcuts` in its parser/src/earley/grammar.rs)
    where a rule refers to itself, however indirectly, in a changed context without a rule between that only it enters.
    """
    for _ in range(len(aliases)):
        inner = aliases.get(reference.name)
        if inner is None or reference.parameter != "_":
            break
        reference = inner
    return reference


def _parametric(definitions: Mapping[str, Definition]) -> set[str]:
    """The rules that need a parameter: for a condition, or to hand it on to a rule that does."""
    parametric = {name for name, d in definitions.items() if any(a.condition for a in d.alternatives)}
    inner = {
        name: {r.name for a in d.alternatives for r in references(a.text) if r.parameter and not r.is_constant}
        for name, d in definitions.items()
    }
    while more := {name for name, others in inner.items() if name not in parametric and others & parametric}:
        parametric |= more
    return parametric


class _Unrolling:
    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._unrolled = {name for name, bits in grammar.bits.items() if bits.unrolled}
        fields = {name for name in self._unrolled if grammar.bits[name].is_field}
        self._conditions: dict[tuple[str, Context], str] = {}
        self._meant: dict[tuple[Reference, Context], tuple[_Copy, str]] = {}
        self._depends = _dependencies(grammar.definitions, self._unrolled, fields)

    def definitions(self, start: str) -> dict[str, Definition]:
        """All copies that `start` leads to, by their names."""
        waiting = deque([_Copy(start, frozenset())])
        written: dict[str, Definition] = {}
        while waiting:
            copy = waiting.popleft()
            if _name(copy) not in written:
                definition, needed = self._copied(copy)
                written[definition.name] = definition
                waiting.extend(needed)
        return written

    def _copied(self, copy: _Copy) -> tuple[Definition, list[_Copy]]:
        alternatives: list[Alternative] = []
        needed: list[_Copy] = []
        for alternative in self._grammar.definitions[copy.rule].alternatives:
            condition = self._condition(alternative.condition, copy.context)
            if condition != "false":
                text, copies = self._body(alternative.text, copy.context)
                alternatives.append(Alternative(text, condition))
                needed += copies
        return Definition(_name(copy), tuple(alternatives)), needed

    def _body(self, text: str, context: Context) -> tuple[str, list[_Copy]]:
        copies: list[_Copy] = []
        body = ""
        for piece in pieces(text):
            if isinstance(piece, Reference):
                copy, parameter = self._leading_to(piece, context)
                copies.append(copy)
                body += f"{_name(copy)}::{parameter}" if parameter else _name(copy)
            else:
                body += piece
        return self._bounded(body) if "{" in body else body, copies

    def _leading_to(self, reference: Reference, context: Context) -> tuple[_Copy, str]:
        """The copy that a reference means in this context, and what is left of its parameter."""
        known = self._meant.get((reference, context))
        if known is None:
            inner, parameter = self._changed(reference.parameter, context)
            known = _Copy(reference.name, self._projected(reference.name, inner)), parameter
            self._meant[reference, context] = known
        return known

    def _changed(self, parameter: str, context: Context) -> tuple[Context, str]:
        """What a reference's parameter makes of the unrolled bits, and what is left of it for llguidance."""
        found = _CHANGE.match(parameter)
        if not found:
            return context if parameter == "_" else frozenset(), parameter
        values = {} if found[1] == "only" else dict(context)
        left: list[Bits] = []
        for name in re.split(r",\s*", found[2]):
            bits = self._grammar.bits[name]
            if not bits.unrolled:
                left.append(bits)
            elif found[1] == "incr" or bits.is_field:
                values[name] = values.get(name, 0) + 1
            else:
                values[name] = int(found[1] != "without")
        inner = frozenset((name, value) for name, value in values.items() if value)
        mask = sum(bits.mask for bits in left)
        if found[1] == "only":
            return inner, f"{mask:#x}"
        if not left:
            return inner, "_"
        if found[1] == "incr":
            return inner, f"incr([{left[0].start}:{left[0].end}])"
        return inner, f"bit_or({mask:#x})" if found[1] == "with" else f"bit_and({_ALL_BITS & ~mask:#x})"

    def _limit(self, name: str) -> int:
        """A limit in a condition, where `none` is more than any field can hold."""
        limit = self._grammar.limits[name]
        return _NO_LIMIT if limit is None else limit

    def _bounded(self, text: str) -> str:
        """`{0,MAX}` and `{1,MAX}` with the number that the limit stands for; `*` and `+` without one."""

        def written(match: re.Match[str]) -> str:
            limit = self._grammar.limits[match[2]]
            if limit is None:
                return "*" if match[1] == "0" else "+"
            return f"{{{match[1]},{max(limit, int(match[1]))}}}"

        return _BOUND.sub(written, text)

    def _projected(self, rule: str, context: Context) -> Context:
        return frozenset((name, value) for name, value in context if name in self._depends[rule])

    def _condition(self, text: str, context: Context) -> str:
        """The condition as llguidance has it, evaluated as far as the context says; empty for one that holds."""
        if not text:
            return ""
        words = _words(text)
        relevant = frozenset(bit for bit in context if bit[0] in words)
        known = self._conditions.get((text, relevant))
        if known is None:
            value, rest = self._evaluate(text, dict(relevant))
            if rest.strip():
                raise ValueError(f"not a condition: {text}")
            known = {True: "", False: "false"}[value] if isinstance(value, bool) else value
            self._conditions[text, relevant] = known
        return known

    def _evaluate(self, text: str, context: Mapping[str, int]) -> tuple[bool | str, str]:
        call = _CALL.match(text)
        if call is None:
            raise ValueError(f"not a condition: {text}")
        if call[1] not in {"and", "or", "not"}:
            inside, _, rest = text[call.end() :].partition(")")
            return self._comparison(call[1], re.split(r",\s*", inside), context), rest
        values: list[bool | str] = []
        rest = text[call.end() :]
        while True:
            value, rest = self._evaluate(rest, context)
            values.append(value)
            separator, rest = rest.lstrip()[:1], rest.lstrip()[1:]
            if separator == ")":
                return _combined(call[1], values), rest

    def _comparison(self, function: str, arguments: list[str], context: Mapping[str, int]) -> bool | str:
        name = arguments[0]
        other = arguments[1] if len(arguments) > 1 else "0"
        number = self._limit(other) if other in self._grammar.limits else int(other, 0)
        if name in self._unrolled:
            value = context.get(name, 0)
            return {"eq": value == number, "lt": value < number, "bit_set": value == 1, "bit_clear": value == 0}[
                function
            ]
        bits = self._grammar.bits[name]
        if function in {"bit_set", "bit_clear"}:
            return f"{function}({bits.start})"
        return f"{function}([{bits.start}:{bits.end}], {number})"


@lru_cache(maxsize=16_384)
def _name(copy: _Copy) -> str:
    return "_".join([copy.rule, *(f"{name.lower()}{value}" for name, value in sorted(copy.context))])


def _combined(function: str, values: list[bool | str]) -> bool | str:
    if function == "not":
        (value,) = values
        return not value if isinstance(value, bool) else f"not({value})"
    decisive = function == "or"
    if decisive in values:
        return decisive
    open_values = [value for value in values if isinstance(value, str)]
    if not open_values:
        return not decisive
    return open_values[0] if len(open_values) == 1 else f"{function}({', '.join(open_values)})"


def _dependencies(definitions: Mapping[str, Definition], names: set[str], fields: set[str]) -> dict[str, set[str]]:
    """The unrolled bits that each rule's text depends on, by its own conditions or by those of rules in it."""
    depends: dict[str, set[str]] = {name: set() for name in definitions}
    users: defaultdict[str, list[tuple[str, frozenset[str]]]] = defaultdict(list)
    waiting: list[tuple[str, str]] = []
    for name, definition in definitions.items():
        for alternative in definition.alternatives:
            waiting += [(name, word) for word in _words(alternative.condition) if word in names]
            for reference in references(alternative.text):
                if reference.parameter:
                    users[reference.name].append((name, _settled(reference, fields, names)))
    while waiting:
        name, bits = waiting.pop()
        if bits not in depends[name]:
            depends[name].add(bits)
            waiting += [(user, bits) for user, settled in users[name] if bits not in settled]
    return depends


@lru_cache(maxsize=1_024)
def _words(condition: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(condition))


def _settled(reference: Reference, fields: set[str], names: set[str]) -> frozenset[str]:
    """The unrolled bits whose values in the context make no difference to what a reference leads to."""
    found = _CHANGE.match(reference.parameter)
    if reference.is_constant or (found and found[1] == "only"):
        return frozenset(names)
    if not found or found[1] == "incr":
        return frozenset()
    return frozenset(re.split(r",\s*", found[2])) - fields
