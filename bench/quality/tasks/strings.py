"""Tasks on texts: (what is asked, a solution, what must hold of any solution)."""

AREA = "strings"
TASKS = [
    (
        "Swap the case of every letter, and leave everything else as it is.",
        "def flip_case(text: str) -> str:\n    return text.swapcase()",
        ["flip_case('aB c1') == 'Ab C1'", "flip_case('') == ''"],
    ),
    (
        "Remove all vowels (a, e, i, o, u, in both cases) from a text.",
        "def drop_vowels(text: str) -> str:\n    return ''.join(c for c in text if c.lower() not in 'aeiou')",
        ["drop_vowels('Orange juice') == 'rng jc'", "drop_vowels('xyz') == 'xyz'", "drop_vowels('AEIOU') == ''"],
    ),
    (
        "Shorten runs of the same character to a single one.",
        "def squeeze(text: str) -> str:\n    return ''.join(c for i, c in enumerate(text) if i == 0 or text[i - 1] != c)",
        ["squeeze('aaabccca') == 'abca'", "squeeze('') == ''", "squeeze('  x') == ' x'"],
    ),
    (
        "Say whether a text reads the same in both directions when only letters and digits count and case does not.",
        "def mirrors(text: str) -> bool:\n    kept = [c.lower() for c in text if c.isalnum()]\n    return kept == kept[::-1]",
        ["mirrors('Was it a car or a cat I saw?') == True", "mirrors('abca') == False", "mirrors('') == True"],
    ),
    (
        "Turn a name in camelCase into snake_case: each capital letter becomes an underscore and the small letter.",
        "def to_snake(name: str) -> str:\n    return ''.join('_' + c.lower() if c.isupper() else c for c in name)",
        ["to_snake('maxRetryCount') == 'max_retry_count'", "to_snake('plain') == 'plain'", "to_snake('aB') == 'a_b'"],
    ),
    (
        "Turn a name in snake_case into camelCase, where the first part stays as it is.",
        "def to_camel(name: str) -> str:\n    first, *rest = name.split('_')\n"
        "    return first + ''.join(p.capitalize() for p in rest)",
        ["to_camel('max_retry_count') == 'maxRetryCount'", "to_camel('plain') == 'plain'"],
    ),
    (
        "Count how often each character occurs in a text.",
        "def tally(text: str) -> dict[str, int]:\n    return {c: text.count(c) for c in text}",
        ["tally('banana') == {'b': 1, 'a': 3, 'n': 2}", "tally('') == {}"],
    ),
    (
        "Give the longest common prefix of a list of texts; the empty text for an empty list.",
        "def shared_start(texts: list[str]) -> str:\n    import os.path\n    return os.path.commonprefix(texts)",
        [
            "shared_start(['flow', 'flower', 'floor']) == 'flo'",
            "shared_start([]) == ''",
            "shared_start(['a', 'b']) == ''",
        ],
    ),
    (
        "Shift each letter by a number of places in the alphabet, around its end; keep case and other characters.",
        "def rotate_letters(text: str, places: int) -> str:\n    out = ''\n    for c in text:\n"
        "        base = 65 if 'A' <= c <= 'Z' else 97\n"
        "        out += chr((ord(c) - base + places) % 26 + base) if c.isascii() and c.isalpha() else c\n    return out",
        ["rotate_letters('xyz!', 3) == 'abc!'", "rotate_letters('Abc', -1) == 'Zab'", "rotate_letters('', 5) == ''"],
    ),
    (
        "Cut a text to at most a number of characters; if something was cut, the last three of them are dots. "
        "The number is at least 3.",
        "def ellipsis(text: str, width: int) -> str:\n"
        "    return text if len(text) <= width else text[:width - 3] + '...'",
        ["ellipsis('abcdefgh', 6) == 'abc...'", "ellipsis('abc', 3) == 'abc'", "ellipsis('abcd', 3) == '...'"],
    ),
    (
        "Replace each word of a text by its first and last letter, joined; a word of one letter stays. "
        "Words are separated by spaces, and the result by single ones.",
        "def outer_letters(text: str) -> str:\n"
        "    return ' '.join(w if len(w) == 1 else w[0] + w[-1] for w in text.split())",
        ["outer_letters('hello a  big world') == 'ho a bg wd'", "outer_letters('') == ''"],
    ),
    (
        "Write a text as its runs: each character followed by how often it is repeated there.",
        "def run_lengths(text: str) -> str:\n    import itertools\n"
        "    return ''.join(c + str(len(list(g))) for c, g in itertools.groupby(text))",
        ["run_lengths('aabccc') == 'a2b1c3'", "run_lengths('') == ''", "run_lengths('zzzzzzzzzzzz') == 'z12'"],
    ),
    (
        "Reverse every word of a text, but keep the words' order; words are separated by single spaces.",
        "def turn_words(text: str) -> str:\n    return ' '.join(w[::-1] for w in text.split(' '))",
        ["turn_words('hello big world') == 'olleh gib dlrow'", "turn_words('') == ''"],
    ),
    (
        "Say whether two texts consist of the same letters, each as often, ignoring case and spaces.",
        "def anagrams(first: str, second: str) -> bool:\n    def k(t):\n"
        "        return sorted(t.lower().replace(' ', ''))\n    return k(first) == k(second)",
        ["anagrams('Dormitory', 'dirty room') == True", "anagrams('aab', 'abb') == False", "anagrams('', ' ') == True"],
    ),
    (
        "Put a text in the middle of a line of stars of the given width; an odd star left over goes to the right. "
        "A text that is too long stays as it is.",
        "def banner(text: str, width: int) -> str:\n    left = max(0, width - len(text)) // 2\n"
        "    return '*' * left + text + '*' * max(0, width - len(text) - left)",
        ["banner('ab', 6) == '**ab**'", "banner('ab', 5) == '*ab**'", "banner('abcdef', 3) == 'abcdef'"],
    ),
]
