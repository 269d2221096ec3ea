"""Tasks on intervals: (what is asked, a solution, what must hold of any solution)."""

AREA = "intervals"
TASKS = [
    (
        "Merge closed intervals, given as pairs of start and end, that overlap or touch; give them in ascending order.",
        "def join_spans(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:\n    out = []\n"
        "    for a, b in sorted(spans):\n        if out and a <= out[-1][1]:\n"
        "            out[-1] = (out[-1][0], max(b, out[-1][1]))\n        else:\n            out.append((a, b))\n    return out",
        [
            "join_spans([(5, 6), (1, 3), (2, 4)]) == [(1, 4), (5, 6)]",
            "join_spans([(1, 2), (2, 3)]) == [(1, 3)]",
            "join_spans([(1, 9), (2, 3)]) == [(1, 9)]",
            "join_spans([]) == []",
        ],
    ),
    (
        "Say whether two closed intervals have a point in common.",
        "def touch(first: tuple[int, int], second: tuple[int, int]) -> bool:\n"
        "    return first[0] <= second[1] and second[0] <= first[1]",
        ["touch((1, 3), (3, 5)) == True", "touch((1, 2), (4, 5)) == False", "touch((4, 5), (1, 9)) == True"],
    ),
    (
        "Give the part that two closed intervals have in common, or None.",
        "def overlap(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int] | None:\n"
        "    a, b = max(first[0], second[0]), min(first[1], second[1])\n    return (a, b) if a <= b else None",
        ["overlap((1, 5), (3, 9)) == (3, 5)", "overlap((1, 2), (3, 4)) == None", "overlap((1, 2), (2, 4)) == (2, 2)"],
    ),
    (
        "Force a number into the range from low to high.",
        "def into_range(value: int, low: int, high: int) -> int:\n    return max(low, min(high, value))",
        ["into_range(5, 1, 3) == 3", "into_range(-5, 1, 3) == 1", "into_range(2, 1, 3) == 2"],
    ),
    (
        "Give the total length covered by intervals (pairs of start and end); what is covered twice counts once.",
        "def covered(spans: list[tuple[int, int]]) -> int:\n    total, end = 0, None\n    for a, b in sorted(spans):\n"
        "        if end is None or a > end:\n            end = a\n"
        "        total += max(0, b - end)\n        end = max(end, b)\n    return total",
        ["covered([(1, 4), (2, 6), (8, 9)]) == 6", "covered([]) == 0", "covered([(1, 9), (2, 3)]) == 8"],
    ),
    (
        "Write a sorted list of different integers as ranges: 1,2,3,7 becomes 1-3,7; a range of one is the number alone.",
        "def as_ranges(values: list[int]) -> str:\n    out = []\n    for v in values:\n"
        "        if out and v == out[-1][1] + 1:\n            out[-1][1] = v\n        else:\n            out.append([v, v])\n"
        "    return ','.join(str(a) if a == b else f'{a}-{b}' for a, b in out)",
        ["as_ranges([1, 2, 3, 7]) == '1-3,7'", "as_ranges([]) == ''", "as_ranges([4, 5]) == '4-5'"],
    ),
    (
        "Give the gaps between intervals that are sorted and do not overlap: pairs of an end and the next start, "
        "where these differ.",
        "def gaps(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:\n"
        "    return [(a[1], b[0]) for a, b in zip(spans, spans[1:]) if a[1] != b[0]]",
        ["gaps([(1, 2), (4, 5), (5, 8), (9, 9)]) == [(2, 4), (8, 9)]", "gaps([(1, 2)]) == []"],
    ),
    (
        "Meetings are pairs of start and end, and one may begin when another ends. "
        "Say whether one person can attend them all.",
        "def can_attend(meetings: list[tuple[int, int]]) -> bool:\n    m = sorted(meetings)\n"
        "    return all(a[1] <= b[0] for a, b in zip(m, m[1:]))",
        ["can_attend([(9, 10), (7, 9)]) == True", "can_attend([(9, 11), (10, 12)]) == False", "can_attend([]) == True"],
    ),
    (
        "Meetings are pairs of start and end, and a room is free again when a meeting ends. "
        "Give the least number of rooms for all of them.",
        "def rooms_needed(meetings: list[tuple[int, int]]) -> int:\n"
        "    return max((sum(a <= s < b for a, b in meetings) for s, _ in meetings), default=0)",
        [
            "rooms_needed([(9, 11), (10, 12), (11, 13)]) == 2",
            "rooms_needed([]) == 0",
            "rooms_needed([(1, 5), (2, 5), (3, 5)]) == 3",
        ],
    ),
    (
        "Give the position of the first interval (start and end both included) that contains a number, or -1.",
        "def which_span(spans: list[tuple[int, int]], value: int) -> int:\n"
        "    return next((i for i, (a, b) in enumerate(spans) if a <= value <= b), -1)",
        ["which_span([(1, 3), (5, 9)], 9) == 1", "which_span([(1, 3)], 4) == -1", "which_span([], 1) == -1"],
    ),
    (
        "Split the integers from start up to, but without, end into pairs of start and end of the given length; "
        "the last may be shorter.",
        "def windows(start: int, end: int, length: int) -> list[tuple[int, int]]:\n"
        "    return [(a, min(a + length, end)) for a in range(start, end, length)]",
        ["windows(0, 7, 3) == [(0, 3), (3, 6), (6, 7)]", "windows(2, 2, 3) == []"],
    ),
    (
        "Take the open middle out of an interval: give what is left of the first when the second is removed, as a list "
        "of pairs with a length above zero.",
        "def cut_out(first: tuple[int, int], second: tuple[int, int]) -> list[tuple[int, int]]:\n"
        "    parts = [(first[0], min(first[1], second[0])), (max(first[0], second[1]), first[1])]\n"
        "    return [(a, b) for a, b in parts if a < b]",
        [
            "cut_out((1, 9), (3, 5)) == [(1, 3), (5, 9)]",
            "cut_out((1, 4), (0, 9)) == []",
            "cut_out((1, 4), (3, 9)) == [(1, 3)]",
        ],
    ),
    (
        "Move a number from the range of a first interval to the same relative place in a second one, as a float.",
        "def rescale(value: float, first: tuple[float, float], second: tuple[float, float]) -> float:\n"
        "    return second[0] + (value - first[0]) / (first[1] - first[0]) * (second[1] - second[0])",
        ["rescale(5.0, (0.0, 10.0), (0.0, 1.0)) == 0.5", "rescale(1.0, (1.0, 3.0), (4.0, 8.0)) == 4.0"],
    ),
    (
        "Say whether the first closed interval lies wholly in the second.",
        "def within(first: tuple[int, int], second: tuple[int, int]) -> bool:\n"
        "    return second[0] <= first[0] and first[1] <= second[1]",
        ["within((2, 3), (1, 3)) == True", "within((0, 3), (1, 3)) == False", "within((1, 4), (1, 3)) == False"],
    ),
]
