"""Random texts that a grammar allows: walks through llguidance's mask, as a model without any sense would go.

A step is either a token taken at random among all that are allowed, or a piece of the language (`Pieces`; its own
module for TypeScript's) whose tokens are allowed one after the other: at random alone, nearly all walks would end in one endless identifier. Towards its end a walk prefers
what leads to one, so that most walks finish.
"""

import random
from dataclasses import dataclass

import numpy as np
from llguidance import LLMatcher, LLTokenizer

_STATEMENTS = """
if x|if |elif y|elif |else|for x in |for x, item in |for (a, *b), c[0] in |async for x in |while |while True|try|except
except E|except (A, B) as e|except* E|finally|with |with a as b|async with a as (b, c)|with a as b.c, d as e[0]
match x|match |match x, *y|match = |case |case [a, *b]|case {'k': v, **r}|case C(x, y=1)|case _|case 1 | 2 if |case x
def f(|def g(self)|def h(x, /, y=1, *, z: int = 2, **kw) -> str|async def a(|class C|class D(B, k=1)|@dec|@a.b(1)
return|return |return x|yield|yield |yield from |yield x|x = yield|x = |x: int|x: list[int] = |x += |x, y = |x, = |*a, b = 
[a, b] = |a.b = |a[0] = |(a, b) = |del x|del a.b, c[0]|import a|import a.b as c|from . import x|from a.b import c as d
from a import *|global x|nonlocal x|pass|break|continue|raise|raise |raise X from |assert |assert x, |await |x|'''doc'''|# a
"""
_EXPRESSIONS = """
x|y.z|f(|f()|g(x, *y, k=1, **z)|(|[|{|()|[]|{}|(x, y)|(x,)|[x, *y]|{1: 2, **z}|{1, 2}|(x := |lambda: |lambda x, *y, z=1: 
(yield)|(yield x)|(await x)|await x|not |-|~|1|1.5|0x1f|1j|1e5|'s'|"d"|b'b'|r'\\d'|'''t'''|f'|f"|f'''|f'{x!r:>{w}}'|f"{x['a']}"
None|True|False|...|x[|x[1:2]|x[::2, 1]|x if y else |(x for x in y)|[x for x in y if z]|{k: v for k, v in x}|{x async for x in y}
"""
_CONTINUATIONS = """
.a|.b()|(|)|[|]|{|}|,|, |: |:| = | == | != | < | is | is not | in | not in | and | or | + | - | ** | @ | // | << | | | if | else 
 for x in | async for x in | as x| from x| := |=|=1|*|**|/|*args|**kw|, *|, /| -> |; |'|"|'''|\"\"\"|{{|}}|{x}|{x|}|!r|:>10| text |\\n|\\x41
  # c| import (\n    |(\n    |,\n    |,\n)|\n)| | _| x|\n
"""
_CLOSING = """
'|"|'''|\"\"\"|)|]|}|)|]|}|: x|:|:|=x| = x| in x| else x| import x|x|(|0|pass|:\n    pass
"""
_CLAUSES = ["except:", "finally:", "case _:", "def f():", "else:", "pass"]
_MOST_TRIES = 14


@dataclass(frozen=True)
class Pieces:
    """What a language is written with: `starts` of a line, `lines` with the break before them, what stands in a line,
    and what brings a text to its end."""

    starts: list[str]
    lines: list[str]
    inner: list[str]
    closing: list[str]


def python_pieces() -> Pieces:
    """Python's, with indentation up to five levels."""
    breaks = ["\n" + "    " * level for level in range(6)]
    starts = pieces(_STATEMENTS)
    lines = [b + s for b in breaks[:5] for s in starts] + [":" + b + s for b in breaks[1:5] for s in starts]
    inner = pieces(_EXPRESSIONS) * 2 + pieces(_CONTINUATIONS) * 2 + breaks + [":" + b for b in breaks[1:]]
    closing = pieces(_CLOSING) * 4 + [b + clause for b in breaks for clause in _CLAUSES]
    return Pieces(starts, lines, inner, closing)


@dataclass(frozen=True)
class Walk:
    """A text and whether the grammar lets it end there."""

    text: str
    finished: bool
    tokens: int


class Walker:
    """Walks for one tokenizer, in Python unless other pieces are given. The same seed gives the same walk."""

    def __init__(self, tokenizer: LLTokenizer, pieces: Pieces | None = None) -> None:
        self._tokenizer = tokenizer
        self._end = list(tokenizer.eos_tokens)
        self._pieces = pieces or python_pieces()
        self._cache: dict[str, list[int]] = {}

    def matcher(self, grammar: str) -> LLMatcher:
        """A matcher to start walks from; it must have no error."""
        matcher = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark(grammar), log_level=0)
        assert not matcher.is_error(), matcher.get_error()
        return matcher

    def walk(self, matcher: LLMatcher, seed: int, longest: int = 400) -> Walk:
        """One walk from the beginning; `matcher` itself stays where it is."""
        choice = random.Random(seed)
        here = matcher.deep_copy()
        # Most walks are short: what they find is found sooner, and there are more of them.
        hurry = choice.randint(5, 60) if choice.random() < 0.7 else choice.randint(60, longest // 2)
        tokens: list[int] = []
        last = "\n"
        while len(tokens) < longest and not here.is_stopped():
            hurrying = len(tokens) >= hurry
            if here.is_accepting() and choice.random() < (0.5 if hurrying else 0.01):
                break
            step = self._step(here, choice, last, hurrying=hurrying)
            if not step:
                break
            assert here.consume_tokens(step), here.get_error()
            tokens += step
            last = self._tokenizer.decode_bytes(step).decode("utf-8", "replace")[-1:] or last
        return Walk(self._tokenizer.decode_bytes(tokens).decode("utf-8", "replace"), here.is_accepting(), len(tokens))

    def _step(self, matcher: LLMatcher, choice: random.Random, last: str, *, hurrying: bool) -> list[int]:
        if choice.random() < (0.97 if hurrying else 0.85):
            for _ in range(_MOST_TRIES):
                piece = self._piece(choice, last, hurrying=hurrying)
                if _is_word(last) and _is_word(piece[0]) and choice.random() < 0.98:
                    continue
                tokens = self._tokens(piece)
                if matcher.validate_tokens(tokens) == len(tokens):
                    return tokens
        mask = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")
        assert not matcher.is_error(), matcher.get_error()
        mask[self._end] = 0
        among = np.flatnonzero(mask)
        return [int(among[choice.randrange(among.size)])] if among.size else []

    def _piece(self, choice: random.Random, last: str, *, hurrying: bool) -> str:
        if hurrying:
            return choice.choice(self._pieces.closing)
        if last == "\n" or (last == " " and choice.random() < 0.3):
            return choice.choice(self._pieces.starts)
        return choice.choice(self._pieces.lines if choice.random() < 0.35 else self._pieces.inner)

    def _tokens(self, piece: str) -> list[int]:
        if piece not in self._cache:
            self._cache[piece] = self._tokenizer.tokenize_str(piece)
        return self._cache[piece]


def pieces(text: str, separator: str = "|") -> list[str]:
    """The pieces of a table, where `\\n    ` stands for a line break."""
    return [
        piece.replace("\\n    ", "\n    ")
        for line in text.strip("\n").split("\n")
        for piece in line.split(separator)
        if piece
    ]


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
