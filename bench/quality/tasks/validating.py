"""Tasks on what is valid: (what is asked, a solution, what must hold of any solution)."""

AREA = "validation"
TASKS = [
    (
        "Say whether a text is an IPv4 address: four numbers from 0 to 255 between dots, without leading zeros.",
        "def is_ipv4(text: str) -> bool:\n    p = text.split('.')\n"
        "    return len(p) == 4 and all(q.isdigit() and str(int(q)) == q and int(q) < 256 for q in p)",
        [
            "is_ipv4('192.168.0.1') == True",
            "is_ipv4('256.1.1.1') == False",
            "is_ipv4('1.2.3') == False",
            "is_ipv4('01.2.3.4') == False",
        ],
    ),
    (
        "Say whether every bracket ((), [], {}) in a text is closed in the right order; other characters do not matter.",
        "def brackets_match(text: str) -> bool:\n    s = []\n    for c in text:\n        if c in '([{':\n"
        "            s.append(')]}'['([{'.index(c)])\n        elif c in ')]}' and (not s or s.pop() != c):\n"
        "            return False\n    return not s",
        [
            "brackets_match('a(b[c]{d})') == True",
            "brackets_match('(]') == False",
            "brackets_match('((') == False",
            "brackets_match(')') == False",
        ],
    ),
    (
        "Check a string of digits by the Luhn rule: from the right, double every second digit, subtract 9 from what is "
        "above 9; the sum must be divisible by 10.",
        "def luhn(digits: str) -> bool:\n    d = [int(c) for c in reversed(digits)]\n"
        "    return (sum(d[::2]) + sum(2 * x - 9 if x > 4 else 2 * x for x in d[1::2])) % 10 == 0",
        ["luhn('79927398713') == True", "luhn('79927398710') == False", "luhn('18') == True"],
    ),
    (
        "Check an ISBN of ten characters: the digits times 10, 9, ... 1 add up to a multiple of 11; "
        "the last may be X for 10. Hyphens are ignored.",
        "def isbn10(text: str) -> bool:\n    t = text.replace('-', '')\n"
        "    if len(t) != 10 or not t[:9].isdigit() or not (t[9].isdigit() or t[9] == 'X'):\n        return False\n"
        "    return sum((10 if c == 'X' else int(c)) * (10 - i) for i, c in enumerate(t)) % 11 == 0",
        [
            "isbn10('0-306-40615-2') == True",
            "isbn10('0306406153') == False",
            "isbn10('080442957X') == True",
            "isbn10('12') == False",
        ],
    ),
    (
        "Say whether a password is strong: at least eight characters, with a small letter, a capital letter and a digit.",
        "def strong(password: str) -> bool:\n    return len(password) >= 8 and any(c.islower() for c in password) "
        "and any(c.isupper() for c in password) and any(c.isdigit() for c in password)",
        ["strong('Abcdefg1') == True", "strong('abcdefg1') == False", "strong('Abc1') == False"],
    ),
    (
        "Say whether a text is a time of 24 hours like 09:05, with two digits each.",
        "def is_time(text: str) -> bool:\n    return len(text) == 5 and text[2] == ':' and (text[:2] + text[3:]).isdigit() "
        "and int(text[:2]) < 24 and int(text[3:]) < 60",
        [
            "is_time('23:59') == True",
            "is_time('24:00') == False",
            "is_time('9:05') == False",
            "is_time('12:60') == False",
        ],
    ),
    (
        "Say whether a text is a color like #1aF or #11aaFF: a # and three or six hexadecimal digits.",
        "def is_color(text: str) -> bool:\n    return len(text) in (4, 7) and text[0] == '#' "
        "and all(c in '0123456789abcdefABCDEF' for c in text[1:])",
        [
            "is_color('#1aF') == True",
            "is_color('#11aaFF') == True",
            "is_color('#12') == False",
            "is_color('112233') == False",
        ],
    ),
    (
        "Say whether three lengths can be the sides of a triangle with an area above zero.",
        "def is_triangle(a: int, b: int, c: int) -> bool:\n    x, y, z = sorted((a, b, c))\n    return x > 0 and x + y > z",
        ["is_triangle(3, 4, 5) == True", "is_triangle(1, 2, 3) == False", "is_triangle(0, 1, 1) == False"],
    ),
    (
        "Say whether a text is a date that exists, written like 2024-05-31.",
        "def is_date(text: str) -> bool:\n    from datetime import datetime\n    try:\n"
        "        return datetime.strptime(text, '%Y-%m-%d').strftime('%Y-%m-%d') == text\n    except ValueError:\n"
        "        return False",
        ["is_date('2024-02-29') == True", "is_date('2023-02-29') == False", "is_date('hello') == False"],
    ),
    (
        "Say whether a square table of numbers has the same sum in every row and every column.",
        "def same_sums(table: list[list[int]]) -> bool:\n"
        "    return len({sum(r) for r in table} | {sum(c) for c in zip(*table)}) <= 1",
        ["same_sums([[2, 7, 6], [9, 5, 1], [4, 3, 8]]) == True", "same_sums([[1, 2], [2, 2]]) == False"],
    ),
    (
        "Give the names of those required fields that are missing in a record or are empty texts there, "
        "in the order of the required ones.",
        "def missing_fields(record: dict[str, str], required: list[str]) -> list[str]:\n"
        "    return [r for r in required if not record.get(r)]",
        ["missing_fields({'a': 'x', 'b': ''}, ['c', 'b', 'a']) == ['c', 'b']", "missing_fields({}, []) == []"],
    ),
    (
        "Say whether a text is a name for a variable of at least one character: letters a to z in any case, digits and "
        "underscores, and no digit at its beginning.",
        "def is_name(text: str) -> bool:\n    import re\n    return re.fullmatch(r'[A-Za-z_][A-Za-z0-9_]*', text) is not None",
        ["is_name('a_1') == True", "is_name('1a') == False", "is_name('') == False", "is_name('a-b') == False"],
    ),
    (
        "Say whether a list is sorted in ascending or in descending order; equal neighbours are allowed.",
        "def is_ordered(values: list[int]) -> bool:\n    return values in (sorted(values), sorted(values)[::-1])",
        ["is_ordered([1, 2, 2]) == True", "is_ordered([3, 1]) == True", "is_ordered([1, 3, 2]) == False"],
    ),
    (
        "Say whether a version such as 1.10.0 is newer than another; each is three numbers between dots.",
        "def is_newer(first: str, second: str) -> bool:\n"
        "    return [int(p) for p in first.split('.')] > [int(p) for p in second.split('.')]",
        [
            "is_newer('1.10.0', '1.9.9') == True",
            "is_newer('1.0.0', '1.0.0') == False",
            "is_newer('2.0.0', '10.0.0') == False",
        ],
    ),
]
