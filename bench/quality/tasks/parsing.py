"""Tasks on reading texts: (what is asked, a solution, what must hold of any solution)."""

AREA = "parsing"
TASKS = [
    (
        "Read lines of the form key=value into a dictionary; blank lines and lines that begin with # are left out, "
        "and spaces around keys and values are removed.",
        "def read_settings(text: str) -> dict[str, str]:\n    out = {}\n    for line in text.split('\\n'):\n"
        "        if line.strip() and not line.strip().startswith('#'):\n            k, _, v = line.partition('=')\n"
        "            out[k.strip()] = v.strip()\n    return out",
        ["read_settings('a = 1\\n# no\\n\\nb=x=y') == {'a': '1', 'b': 'x=y'}", "read_settings('') == {}"],
    ),
    (
        "Give all whole numbers in a text, in order; a minus sign right before one belongs to it.",
        "def numbers_in(text: str) -> list[int]:\n    import re\n    return [int(n) for n in re.findall(r'-?\\d+', text)]",
        ["numbers_in('a1 b-22c 3') == [1, -22, 3]", "numbers_in('none') == []"],
    ),
    (
        "Read a Roman numeral such as XIV.",
        "def from_roman(numeral: str) -> int:\n"
        "    v = [{'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}[c] for c in numeral]\n"
        "    return sum(-a if a < b else a for a, b in zip(v, v[1:] + [0]))",
        ["from_roman('XIV') == 14", "from_roman('MCMXCIX') == 1999", "from_roman('III') == 3"],
    ),
    (
        "Write a whole number from 1 to 3999 as a Roman numeral.",
        "def to_roman(number: int) -> str:\n    out = ''\n"
        "    for v, s in zip([1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1], "
        "'M CM D CD C XC L XL X IX V IV I'.split()):\n        out += s * (number // v)\n        number %= v\n    return out",
        ["to_roman(14) == 'XIV'", "to_roman(1999) == 'MCMXCIX'", "to_roman(3) == 'III'"],
    ),
    (
        "Split a line at its commas, but not at those between double quotes; the quotes are removed.",
        "def split_quoted(line: str) -> list[str]:\n    out, quoted = [''], False\n    for c in line:\n"
        "        if c == '\"':\n            quoted = not quoted\n        elif c == ',' and not quoted:\n"
        "            out.append('')\n        else:\n            out[-1] += c\n    return out",
        ["split_quoted('a,\"b,c\",d') == ['a', 'b,c', 'd']", "split_quoted('a,,b') == ['a', '', 'b']"],
    ),
    (
        "Read a size such as 12kB, 3MB, 1GB or 7B as a number of bytes, where each step is 1000.",
        "def size_of(text: str) -> int:\n    for unit, f in (('kB', 1000), ('MB', 10**6), ('GB', 10**9), ('B', 1)):\n"
        "        if text.endswith(unit):\n            return int(text[:-len(unit)]) * f\n    return int(text)",
        ["size_of('12kB') == 12000", "size_of('3MB') == 3000000", "size_of('7B') == 7", "size_of('1GB') == 1000000000"],
    ),
    (
        "Give the part after an address's @, in small letters.",
        "def mail_domain(address: str) -> str:\n    return address.split('@')[-1].lower()",
        ["mail_domain('Ann@Example.ORG') == 'example.org'", "mail_domain('x@y.z') == 'y.z'"],
    ),
    (
        "Read a query such as a=1&b=2&a=3 into a dictionary of lists of values, in their order.",
        "def read_query(query: str) -> dict[str, list[str]]:\n    out = {}\n    for p in query.split('&') if query else []:\n"
        "        k, _, v = p.partition('=')\n        out.setdefault(k, []).append(v)\n    return out",
        ["read_query('a=1&b=2&a=3') == {'a': ['1', '3'], 'b': ['2']}", "read_query('') == {}"],
    ),
    (
        "Read a color such as #ff8000 as its red, green and blue parts from 0 to 255.",
        "def color_parts(color: str) -> tuple[int, int, int]:\n"
        "    return (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))",
        ["color_parts('#ff8000') == (255, 128, 0)", "color_parts('#00000A') == (0, 0, 10)"],
    ),
    (
        "Evaluate a sum such as 3+4-2 of whole numbers without spaces, from left to right.",
        "def total_of(text: str) -> int:\n    import re\n    return sum(int(n) for n in re.findall(r'[+-]?\\d+', text))",
        ["total_of('3+4-2') == 5", "total_of('10') == 10", "total_of('1-20+300') == 281"],
    ),
    (
        "Give the words of a text that begin with # (its tags), without the # and in small letters, in order.",
        "def tags_of(text: str) -> list[str]:\n    return [w[1:].lower() for w in text.split() if w.startswith('#')]",
        ["tags_of('so #Good and #fast') == ['good', 'fast']", "tags_of('a#b') == []"],
    ),
    (
        "Read page ranges such as 1-3,7 as the list of all page numbers.",
        "def pages_of(text: str) -> list[int]:\n    out = []\n    for p in text.split(','):\n"
        "        a, _, b = p.partition('-')\n        out += range(int(a), int(b or a) + 1)\n    return out",
        ["pages_of('1-3,7') == [1, 2, 3, 7]", "pages_of('5') == [5]", "pages_of('2-2,4-5') == [2, 4, 5]"],
    ),
    (
        "Evaluate an expression in postfix notation with whole numbers and the operators +, - and *, "
        "separated by spaces.",
        "def postfix(text: str) -> int:\n    s = []\n    for t in text.split():\n        if t in '+-*':\n"
        "            b, a = s.pop(), s.pop()\n            s.append(a + b if t == '+' else a - b if t == '-' else a * b)\n"
        "        else:\n            s.append(int(t))\n    return s[0]",
        ["postfix('3 4 + 2 *') == 14", "postfix('7') == 7", "postfix('5 8 -') == -3"],
    ),
    (
        "Give the ending of a file name without the dot, in small letters; the empty text if there is none. "
        "A dot at the beginning does not count.",
        "def ending(name: str) -> str:\n    head, dot, tail = name.rpartition('.')\n"
        "    return tail.lower() if dot and head else ''",
        [
            "ending('photo.JPG') == 'jpg'",
            "ending('a.tar.gz') == 'gz'",
            "ending('.hidden') == ''",
            "ending('Makefile') == ''",
        ],
    ),
    (
        "Read a fraction such as 3/4, or a whole number, as a decimal number.",
        "def fraction(text: str) -> float:\n    a, _, b = text.partition('/')\n    return int(a) / int(b or 1)",
        ["fraction('3/4') == 0.75", "fraction('5') == 5.0", "fraction('-1/2') == -0.5"],
    ),
]
