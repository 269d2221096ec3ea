"""Many words as one short regular expression: factored by their beginnings, so that a lexer has few states to build."""

from collections.abc import Iterable

_SPECIAL = frozenset(r"\.+*?()|[]{}^$/#&-~")


def any_of(words: Iterable[str], *, factored: bool = True) -> str:
    """A regular expression for exactly these words, none of them empty. Without words, for nothing that is written."""
    if not factored:
        return f"({'|'.join(map(escaped, words))})"
    tree: dict[str, object] = {}
    for word in words:
        node = tree
        for character in word:
            node = node.setdefault(character, {})  # type: ignore[assignment] # every inner value is such a tree
        node[""] = None
    return _written(tree) if tree else r"[^\s\S]"


def escaped(text: str) -> str:
    """The text itself, as a regular expression between the slashes of a Lark terminal."""
    return "".join(f"\\{c}" if c in _SPECIAL else {"\n": "\\n", "\t": "\\t"}.get(c, c) for c in text)


def slashed(pattern: str) -> str:
    """A regular expression as it stands between the slashes of a Lark terminal."""
    written: list[str] = []
    is_escaped = False
    for character in pattern:
        written.append(f"\\{character}" if character == "/" and not is_escaped else character)
        is_escaped = character == "\\" and not is_escaped
    return "".join(written).replace("\n", "\\n")


def _written(tree: dict[str, object]) -> str:
    """Without recursion over the length of a word: chains of one character are written in a loop."""
    prefix: list[str] = []
    while len(tree) == 1 and "" not in tree:
        ((character, inner),) = tree.items()
        prefix.append(escaped(character))
        tree = inner  # type: ignore[assignment] # as above
    if set(tree) == {""}:
        return "".join(prefix)
    parts = [escaped(c) + _written(inner) for c, inner in tree.items() if isinstance(inner, dict)]
    optional = "?" if "" in tree else ""
    return f"{''.join(prefix)}({'|'.join(parts)}){optional}"
