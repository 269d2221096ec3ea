"""What the rounds say: the table, and the figures beside what was wanted."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.serving.client import Round, Timed

OURS, VLLM, LITELLM = "ours", "vllm serve", "litellm + vllm"


@dataclass
class Cell:
    """The rounds of one kind at one concurrency, by server; all servers have as many, and were asked in turns."""

    kind: str
    concurrency: int
    rounds: dict[str, list[Round]] = field(default_factory=dict)

    def figures(self, server: str) -> dict[str, Any]:
        """Medians over the rounds; the times are of all requests together, in milliseconds."""
        rounds = self.rounds[server]
        fine = [r for one in rounds for r in one.requests if r.error is None]
        errors = [r.error for one in rounds for r in one.requests if r.error is not None]
        return {
            "requests_s": statistics.median(one.requests_per_s for one in rounds),
            "tokens_s": statistics.median(one.tokens_per_s for one in rounds),
            "first_ms": _spread([r.first_s * 1e3 for r in fine]),
            "per_token_ms": _spread([s * 1e3 for r in fine if (s := r.per_token_s) is not None]),
            "rounds": len(rounds),
            "requests": len(fine),
            "tokens": sum(r.tokens for r in fine),
            "errors": len(errors),
            "an_error": errors[0] if errors else None,
        }

    def tokens_ratio(self, over: str) -> float:
        """Ours to the other's, round by round; the median."""
        return self._ratio(over, lambda one: one.tokens_per_s)

    def requests_ratio(self, over: str) -> float:
        """As above. It counts where two write texts of different lengths."""
        return self._ratio(over, lambda one: one.requests_per_s)

    def first_ratio(self, over: str) -> float:
        """Of the rounds' medians of the time to the first token."""
        return self._ratio(over, lambda one: _median_of(one.requests, lambda r: r.first_s))

    def per_token_ratio(self, over: str) -> float:
        """Of the rounds' medians of the time per output token."""
        return self._ratio(over, lambda one: _median_of(one.requests, lambda r: r.per_token_s or 0.0))

    def _ratio(self, over: str, figure: Callable[[Round], float]) -> float:
        pairs = zip(self.rounds[OURS], self.rounds[over], strict=True)
        return statistics.median(_divided(figure(a), figure(b)) for a, b in pairs)

    def ratios(self) -> dict[str, dict[str, float]]:
        """Ours to each other server."""
        return {
            other: {
                "tokens_s": round(self.tokens_ratio(other), 3),
                "requests_s": round(self.requests_ratio(other), 3),
                "first": round(self.first_ratio(other), 3),
                "per_token": round(self.per_token_ratio(other), 3),
            }
            for other in self.rounds
            if other != OURS
        }


def table(cells: Sequence[Cell]) -> str:
    """In Markdown, as it stands in the docs."""
    lines = [
        "| request | at once | server | requests/s | tokens/s | first token ms, p50/p95/p99 | per token ms | errors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        for server in cell.rounds:
            row = cell.figures(server)
            lines.append(
                f"| {cell.kind} | {cell.concurrency} | {server} | {row['requests_s']:.2f} | {row['tokens_s']:.1f} "
                f"| {_three(row['first_ms'])} | {_three(row['per_token_ms'])} | {row['errors']} |"
            )
    return "\n".join(lines)


def wanted(cells: Sequence[Cell]) -> str:
    """The same figures as ratios, and whether they are what was wanted."""
    lines = [
        "| request | at once | tokens/s to vLLM's (>= 0.97) | first token (<= 1.10) | both to litellm's (ahead) |",
        "|---|---|---|---|---|",
    ]
    for cell in cells:
        ratios = cell.ratios()
        parts = [_mark(ratios[VLLM]["tokens_s"], is_met=ratios[VLLM]["tokens_s"] >= 0.97)] if VLLM in ratios else ["-"]
        parts += [_mark(ratios[VLLM]["first"], is_met=ratios[VLLM]["first"] <= 1.10)] if VLLM in ratios else ["-"]
        if LITELLM in ratios:
            ahead = ratios[LITELLM]["tokens_s"] > 1 and ratios[LITELLM]["first"] < 1
            parts.append(_mark(ratios[LITELLM]["tokens_s"], is_met=ahead) + f", {ratios[LITELLM]['first']:.2f}")
        else:
            parts.append("-")
        lines.append(f"| {cell.kind} | {cell.concurrency} | {' | '.join(parts)} |")
    return "\n".join(lines)


def document(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """For the results' file."""
    return [
        {
            "kind": cell.kind,
            "concurrency": cell.concurrency,
            "servers": {server: _rounded(cell.figures(server)) for server in cell.rounds},
            "ours_to": cell.ratios(),
        }
        for cell in cells
    ]


def _mark(value: float, *, is_met: bool) -> str:
    return f"{value:.2f} {'met' if is_met else '**missed**'}"


def _spread(values: list[float]) -> list[float]:
    """p50, p95 and p99; the largest stands in where there are too few."""
    if not values:
        return [0.0, 0.0, 0.0]
    ordered = sorted(values)
    return [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99)]


def _three(values: list[float]) -> str:
    return " / ".join(f"{value:.0f}" if value >= 100 else f"{value:.1f}" for value in values)


def _median_of(requests: Sequence[Timed], figure: Callable[[Timed], float]) -> float:
    return statistics.median([figure(r) for r in requests if r.error is None] or [0.0])


def _divided(a: float, b: float) -> float:
    return a / b if b else float("inf")


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [round(v, 2) for v in value]
        if isinstance(value, list)
        else round(value, 2)
        if isinstance(value, float)
        else value
        for key, value in row.items()
    }
