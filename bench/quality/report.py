"""The table over all rows that were kept."""

from collections import defaultdict
from statistics import mean
from typing import Any

from bench.quality.arms import ARMS
from bench.quality.statistics import wilson

_HEAD = "| arm | set | tasks | cut | refused | parses | obeys | passes (95 %) | tokens | seconds | USD |"


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By arm and set. `parses` and `obeys` are of texts that were not cut, `passes` is of all tasks."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["arm"], "held out" if row["held_out"] else "open"].append(row)
        groups[row["arm"], "all"].append(row)
    return [_line(arm, which, group) for (arm, which), group in sorted(groups.items())]


def table(lines: list[dict[str, Any]]) -> str:
    out = [_HEAD, "|" + "---|" * 11]
    for line in lines:
        low, high = line["passes_interval"]
        passed = f"{line['passes']}/{line['tasks']} ({low:.0%}-{high:.0%})"
        out.append(
            f"| {line['arm']} {ARMS[line['arm']]} | {line['set']} | {line['tasks']} | {line['cut']} "
            f"| {line['refused']} "
            f"| {line['parses']}/{line['whole']} | {line['obeys']}/{line['whole']} | {passed} "
            f"| {line['tokens']:.0f} | {line['seconds']:.1f} | {line['usd']:.6f} |"
        )
    return "\n".join(out)


def _line(arm: str, which: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    whole = [row for row in rows if row["finish_reason"] == "stop"]
    passed = sum(row["passes"] for row in rows)
    return {
        "arm": arm,
        "set": which,
        "tasks": len(rows),
        "whole": len(whole),
        "cut": sum(row["finish_reason"] == "length" for row in rows),
        "refused": sum(row["finish_reason"] == "error" for row in rows),
        "parses": sum(row["parses"] for row in whole),
        "obeys": sum(row["obeys"] for row in whole),
        "passes": passed,
        "passes_interval": wilson(passed, len(rows)),
        "tokens": mean(row["completion_tokens"] for row in rows),
        "seconds": mean(row["seconds"] for row in rows),
        "usd": mean(row["usd"] for row in rows),
    }
