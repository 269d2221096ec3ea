"""Tasks on errors: (what is asked, a solution, what must hold of any solution)."""

AREA = "exceptions"
TASKS = [
    (
        "Divide two numbers; division by zero gives None.",
        "def safe_ratio(first: float, second: float) -> float | None:\n    return first / second if second else None",
        ["safe_ratio(1.0, 4.0) == 0.25", "safe_ratio(1.0, 0.0) == None"],
    ),
    (
        "Give the mean of a list of numbers; raise ValueError when it is empty.",
        "def strict_mean(values: list[float]) -> float:\n    if not values:\n        raise ValueError('empty')\n"
        "    return sum(values) / len(values)",
        ["strict_mean([1.0, 2.0]) == 1.5", "strict_mean([]) raises ValueError"],
    ),
    (
        "Turn a text into a whole number; if it is none, give the default.",
        "def int_or(text: str, default: int) -> int:\n    try:\n        return int(text)\n    except ValueError:\n"
        "        return default",
        ["int_or('12', 0) == 12", "int_or('x', 7) == 7", "int_or('', -1) == -1"],
    ),
    (
        "Take an amount from a balance and give what is left. Raise ValueError if the amount is not above zero or is "
        "more than the balance.",
        "def withdraw(balance: int, amount: int) -> int:\n    if not 0 < amount <= balance:\n        raise ValueError('amount')\n"
        "    return balance - amount",
        ["withdraw(10, 10) == 0", "withdraw(10, 11) raises ValueError", "withdraw(10, 0) raises ValueError"],
    ),
    (
        "Look up a path of keys such as a.b.c in nested dictionaries; raise KeyError if a part is missing.",
        "def dig(data: dict[str, object], path: str) -> object:\n    for k in path.split('.'):\n"
        "        if not isinstance(data, dict):\n            raise KeyError(k)\n        data = data[k]\n    return data",
        [
            "dig({'a': {'b': 3}}, 'a.b') == 3",
            "dig({'a': {}}, 'a.x') raises KeyError",
            "dig({'a': 1}, 'a.b') raises KeyError",
        ],
    ),
    (
        "Give the factorial of a whole number; raise ValueError for a negative one.",
        "def factorial_of(number: int) -> int:\n    import math\n    return math.factorial(number)",
        ["factorial_of(5) == 120", "factorial_of(0) == 1", "factorial_of(-1) raises ValueError"],
    ),
    (
        "Give the only element of a list; raise ValueError when it has none or more than one.",
        "def only(values: list[int]) -> int:\n    (v,) = values\n    return v",
        ["only([4]) == 4", "only([]) raises ValueError", "only([1, 2]) raises ValueError"],
    ),
    (
        "Give the square root of a number rounded down to a whole number; raise ValueError for a negative one.",
        "def whole_root(number: int) -> int:\n    import math\n    return math.isqrt(number)",
        ["whole_root(17) == 4", "whole_root(16) == 4", "whole_root(-4) raises ValueError"],
    ),
    (
        "Read a percentage such as 45% as a number from 0 to 100. Raise ValueError for any other text "
        "or a number out of that range.",
        "def percentage(text: str) -> int:\n    if not text.endswith('%') or not 0 <= int(text[:-1]) <= 100:\n"
        "        raise ValueError(text)\n    return int(text[:-1])",
        [
            "percentage('45%') == 45",
            "percentage('45') raises ValueError",
            "percentage('101%') raises ValueError",
            "percentage('x%') raises ValueError",
        ],
    ),
    (
        "Multiply two matrices; raise ValueError if the columns of the first are not as many as the rows of the second.",
        "def matrix_product(a: list[list[int]], b: list[list[int]]) -> list[list[int]]:\n"
        "    if any(len(r) != len(b) for r in a):\n        raise ValueError('shape')\n"
        "    return [[sum(x * y for x, y in zip(r, c)) for c in zip(*b)] for r in a]",
        [
            "matrix_product([[1, 2], [3, 4]], [[5], [6]]) == [[17], [39]]",
            "matrix_product([[1, 2]], [[1, 2]]) raises ValueError",
        ],
    ),
    (
        "Give the element of a list at a position, where negative positions are not allowed: raise IndexError for them "
        "and for those beyond the end.",
        "def element_at(values: list[int], position: int) -> int:\n    if position < 0:\n        raise IndexError(position)\n"
        "    return values[position]",
        ["element_at([5, 6], 1) == 6", "element_at([5], -1) raises IndexError", "element_at([5], 1) raises IndexError"],
    ),
    (
        "Add up the numbers of a list of texts and leave out what is no whole number.",
        "def sum_readable(texts: list[str]) -> int:\n    total = 0\n    for t in texts:\n        try:\n"
        "            total += int(t)\n        except ValueError:\n            pass\n    return total",
        ["sum_readable(['1', 'x', '-3', '']) == -2", "sum_readable([]) == 0"],
    ),
    (
        "Join two dictionaries; raise KeyError if they share a key.",
        "def join_strictly(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:\n"
        "    for k in second:\n        if k in first:\n            raise KeyError(k)\n    return {**first, **second}",
        ["join_strictly({'a': 1}, {'b': 2}) == {'a': 1, 'b': 2}", "join_strictly({'a': 1}, {'a': 1}) raises KeyError"],
    ),
    (
        "Give the month's number for a three-letter English name such as Feb, in any case; "
        "raise ValueError for anything else.",
        "def month_number(name: str) -> int:\n"
        "    return 'jan feb mar apr may jun jul aug sep oct nov dec'.split().index(name.lower()) + 1",
        ["month_number('Feb') == 2", "month_number('DEC') == 12", "month_number('xyz') raises ValueError"],
    ),
]
