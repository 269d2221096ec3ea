"""Tasks on lists: (what is asked, a solution, what must hold of any solution)."""

AREA = "lists"
TASKS = [
    (
        "Remove duplicates from a list of integers and keep the order of first occurrences.",
        "def distinct(values: list[int]) -> list[int]:\n    return list(dict.fromkeys(values))",
        ["distinct([3, 1, 3, 2, 1]) == [3, 1, 2]", "distinct([]) == []"],
    ),
    (
        "Split a list into pieces of the given length; the last one may be shorter.",
        "def pieces(values: list[int], size: int) -> list[list[int]]:\n"
        "    return [values[i:i + size] for i in range(0, len(values), size)]",
        ["pieces([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]", "pieces([], 3) == []"],
    ),
    (
        "Give the second largest of the different values in a list, or None if there are fewer than two.",
        "def runner_up(values: list[int]) -> int | None:\n    kept = sorted(set(values))\n"
        "    return kept[-2] if len(kept) > 1 else None",
        ["runner_up([5, 1, 5, 3]) == 3", "runner_up([2, 2]) == None", "runner_up([-1, -2]) == -2"],
    ),
    (
        "Move all zeros of a list to its end, with the order of the other numbers kept.",
        "def zeros_last(values: list[int]) -> list[int]:\n    return sorted(values, key=lambda v: v == 0)",
        ["zeros_last([0, 3, 0, 1, 2]) == [3, 1, 2, 0, 0]", "zeros_last([]) == []", "zeros_last([0]) == [0]"],
    ),
    (
        "Give the running totals of a list of numbers.",
        "def running_totals(values: list[int]) -> list[int]:\n"
        "    return [sum(values[:i + 1]) for i in range(len(values))]",
        ["running_totals([1, 2, 3, -4]) == [1, 3, 6, 2]", "running_totals([]) == []"],
    ),
    (
        "Rotate a list to the right by a number of places, which may be larger than the list.",
        "def rotate(values: list[int], places: int) -> list[int]:\n"
        "    k = places % len(values) if values else 0\n    return values[len(values) - k:] + values[:len(values) - k]",
        ["rotate([1, 2, 3, 4], 1) == [4, 1, 2, 3]", "rotate([1, 2, 3], 7) == [3, 1, 2]", "rotate([], 4) == []"],
    ),
    (
        "Flatten a list of lists by one level.",
        "def flatten(rows: list[list[int]]) -> list[int]:\n    return [v for row in rows for v in row]",
        ["flatten([[1, 2], [], [3]]) == [1, 2, 3]", "flatten([]) == []"],
    ),
    (
        "Swap the rows and columns of a rectangular table.",
        "def transpose(table: list[list[int]]) -> list[list[int]]:\n    return [list(c) for c in zip(*table)]",
        ["transpose([[1, 2, 3], [4, 5, 6]]) == [[1, 4], [2, 5], [3, 6]]", "transpose([]) == []"],
    ),
    (
        "Find two positions in a list whose numbers add up to a target: the smaller position first, "
        "or None if there are none. There is at most one such pair.",
        "def pair_for(values: list[int], target: int) -> tuple[int, int] | None:\n"
        "    for j in range(len(values)):\n        for i in range(j):\n"
        "            if values[i] + values[j] == target:\n                return (i, j)\n    return None",
        ["pair_for([2, 7, 11, 15], 9) == (0, 1)", "pair_for([3, 3], 6) == (0, 1)", "pair_for([1, 2], 9) == None"],
    ),
    (
        "Give the length of the longest stretch of neighbouring values that strictly increase.",
        "def longest_climb(values: list[int]) -> int:\n    best = here = 0\n    for i, v in enumerate(values):\n"
        "        here = here + 1 if i and v > values[i - 1] else 1\n        best = max(best, here)\n    return best",
        ["longest_climb([1, 2, 1, 2, 3, 3]) == 3", "longest_climb([]) == 0", "longest_climb([4, 3]) == 1"],
    ),
    (
        "Give the median of a list of numbers that is not empty: for an even count, the mean of the middle two.",
        "def middle_value(values: list[float]) -> float:\n    s = sorted(values)\n    n = len(s) // 2\n"
        "    return float(s[n]) if len(s) % 2 else (s[n - 1] + s[n]) / 2",
        ["middle_value([3.0, 1.0, 2.0]) == 2.0", "middle_value([4.0, 1.0, 2.0, 3.0]) == 2.5"],
    ),
    (
        "Group words by their length: for each length that occurs, the words in their order.",
        "def by_length(words: list[str]) -> dict[int, list[str]]:\n    out = {}\n    for w in words:\n"
        "        out.setdefault(len(w), []).append(w)\n    return out",
        ["by_length(['a', 'bb', 'c']) == {1: ['a', 'c'], 2: ['bb']}", "by_length([]) == {}"],
    ),
    (
        "Interleave two lists, taking from the first one first; what is left of the longer one comes at the end.",
        "def zipper(first: list[int], second: list[int]) -> list[int]:\n    n = min(len(first), len(second))\n"
        "    return [v for p in zip(first, second) for v in p] + first[n:] + second[n:]",
        ["zipper([1, 3, 5], [2]) == [1, 2, 3, 5]", "zipper([], [7, 8]) == [7, 8]"],
    ),
    (
        "Give the positions of all peaks: values that are larger than both neighbours. Ends are never peaks.",
        "def peaks(values: list[int]) -> list[int]:\n"
        "    return [i for i in range(1, len(values) - 1) if values[i - 1] < values[i] > values[i + 1]]",
        ["peaks([1, 3, 2, 5, 4]) == [1, 3]", "peaks([1, 2, 2, 1]) == []", "peaks([]) == []"],
    ),
    (
        "Give the values that occur in both lists, each once, in ascending order.",
        "def in_both(first: list[int], second: list[int]) -> list[int]:\n    return sorted(set(first) & set(second))",
        ["in_both([3, 1, 2, 3], [3, 2, 9]) == [2, 3]", "in_both([1], []) == []"],
    ),
]
