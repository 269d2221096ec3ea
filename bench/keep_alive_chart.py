"""The chart of bench/keep_alive.py, as SVG."""

import math
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

LEFT, RIGHT, TOP, STEP, WIDTH = 180, 30, 96, 44, 960
FONT = 'font-family="system-ui, sans-serif" font-size="13"'
COLOURS = {
    "clairvoyant": "#1a7f37",
    "ours": "#0b5cad",
    "never": "#8a6d00",
    "1 min": "#c9a3d6",
    "5 min": "#a874ba",
    "10 min": "#7d3c98",
    "20 min": "#4a235a",
    "always": "#b3261e",
    "timetable": "#d9822b",
    "histogram": "#5f6b76",
}
LEAST, MOST = 0.02, 100.0


def chart(cold_start_s: float, families: Mapping[str, Mapping[str, float]]) -> str:
    """Costs as multiples of the best fixed window's: a line for each family, a mark for each policy, logarithmic."""
    height = TOP + STEP * len(families) + 40
    title = f"Total cost, best fixed window in hindsight = 1 (cold start {cold_start_s:.0f} s)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" {FONT}>',
            "<title>Total cost by family of traces and policy, as a multiple of the best fixed window's</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="24" font-size="15" font-weight="600">{title}</text>',
            *_legend(),
            *_axis(height),
            *_lines(families),
            "</svg>\n",
        ]
    )


def _x(value: float) -> float:
    share = math.log(min(max(value, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _mark(name: str, x: float, y: float) -> str:
    colour = COLOURS[name]
    if name == "ours":
        return f'<path d="M{x} {y - 9}l8 9l-8 9l-8 -9z" fill="{colour}" stroke="#ffffff"><title>{name}</title></path>'
    return f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}" stroke="#ffffff"><title>{name}</title></circle>'


def _legend() -> Iterator[str]:
    x = LEFT
    for name in COLOURS:
        yield _mark(name, x, 48)
        yield f'<text x="{x + 11}" y="52">{escape(name)}</text>'
        x += 24 + 7 * len(name)


def _axis(height: int) -> Iterator[str]:
    for value in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100):
        x, weight = _x(value), 2 if value == 1 else 0.5
        yield f'<line x1="{x}" x2="{x}" y1="{TOP - 18}" y2="{height - 30}" stroke="#9aa4ad" stroke-width="{weight}"/>'
        yield f'<text x="{x}" y="{height - 12}" text-anchor="middle" fill="#444444">{value:g}</text>'


def _lines(families: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for place, (family, costs) in enumerate(families.items()):
        y = TOP + place * STEP
        yield f'<text x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(family)}</text>'
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#e3e7ea"/>'
        for name in reversed(COLOURS):
            yield _mark(name, _x(costs[name]), y)
