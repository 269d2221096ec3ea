"""What policies of keeping an engine warm would have cost: `python bench/keep_alive.py [--help]`.

Replays traces of arrivals (bench/keep_alive_traces.py) under each policy (bench/keep_alive_policies.py). What they cost
is warm seconds at the GPU's price and waited seconds at theirs. Prints tables for each time that a cold start takes,
writes them into docs/keep-alive.md, a chart into docs/images/keep-alive.svg, and all of it into
bench/results/keep_alive.json.

Azure's traces are left out where their directory (`--azure`, AZURE_TRACES) does not have them. They are
AzureLLMInferenceTrace_{code,conv}.csv of Azure/AzurePublicDataset, 2023 (Patel et al., "Splitwise", ISCA 2024).
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.keep_alive_chart import chart  # noqa: E402 - the project's own modules are found from here on
from bench.keep_alive_policies import (  # noqa: E402
    MINUTE,
    Fixed,
    PlainHistogram,
    Policy,
    Timetable,
    best_by_hour_usd,
    clairvoyant_usd,
    sessions_known_usd,
)
from bench.keep_alive_traces import PREDICTABLE, Trace, sessions_of, traces  # noqa: E402
from functions.costs import usd_per_hour  # noqa: E402
from functions.keep_alive import EVERY_S, LONGEST_S, SHORTEST_S, KeepAlive, Terms  # noqa: E402
from functions.keep_alive_demand import Arrival, Prices  # noqa: E402
from functions.keep_alive_learning import ALWAYS, WINDOWS_S  # noqa: E402
from functions.keep_alive_replay import EngineReplay  # noqa: E402
from infra.settings import Settings, load_settings  # noqa: E402

DAY_S = 86400.0
NO_BUDGET = 1e9
BUDGETED = "ours, with a budget"
BEGIN, END = "<!-- by bench/keep_alive.py -->", "<!-- end -->"


@dataclass(frozen=True)
class Cost:
    """Of one policy on one trace. Waits are in seconds."""

    usd: float
    warm_s: float
    starts: int
    cold_rate: float
    wait_p50_s: float
    wait_p95_s: float
    wait_p99_s: float


@dataclass(frozen=True)
class Row:
    """One trace under every policy. The optimum knows all; `by_hour`, the best window of each hour of a week."""

    family: str
    name: str
    requests: int
    optimum_usd: float
    by_hour_usd: float
    best_window_s: float
    best_fixed: Cost
    policies: dict[str, Cost]


def replay(trace: Trace, policy: Policy, prices: Prices, *, work_s: float, every_s: float) -> EngineReplay:
    """The engine's life under the policy: decisions at ticks, arrivals told at the tick after them."""
    engine = EngineReplay(prices.cold_start_s, trace.begins)
    end, place, idle_before = trace.begins + trace.length_s, 0, 0.0
    tick = trace.begins
    while tick < end:
        engine.advance(tick)
        if (tick - trace.begins) % DAY_S == 0:
            idle_before = engine.idle_s
        decision = policy.decide(tick, idle_usd_today=(engine.idle_s - idle_before) * prices.warm_usd_per_s)
        engine.decide(tick, decision.min_containers, decision.scaledown_window_s)
        tick = min(tick + every_s, end)
        while place < len(trace.arrivals) and trace.arrivals[place] < tick:
            at = trace.arrivals[place]
            policy.add(Arrival(at, engine.arrive(at, work_s)))
            place += 1
    engine.advance(end)
    return engine


def cost_of(engine: EngineReplay, prices: Prices) -> Cost:
    waits = sorted(engine.waits_s)
    p50, p95, p99 = (waits[min(int(len(waits) * part), len(waits) - 1)] for part in (0.5, 0.95, 0.99))
    usd = engine.warm_s * prices.warm_usd_per_s + sum(waits) * prices.waited_usd_per_s
    cold = sum(1 for wait in waits if wait) / len(waits)
    return Cost(usd, engine.warm_s, engine.starts, cold, p50, p95, p99)


def policies(settings: Settings, prices: Prices, every_s: float, budget_usd: float) -> dict[str, Policy]:
    def ours(budget_usd: float) -> Policy:
        keep_alive = settings.keep_alive.model_copy(update={"daily_warm_budget_usd": budget_usd, "policy": "learned"})
        return KeepAlive(Terms(keep_alive, prices, 0, settings.scaling.scaledown_window_s, every_s))

    return {
        "never": Fixed(SHORTEST_S),
        **{f"{minutes} min": Fixed(minutes * MINUTE) for minutes in (1, 5, 10, 20)},
        "always": Fixed(LONGEST_S, 1),
        "timetable": Timetable(),
        "histogram": PlainHistogram(prices.cold_start_s, every_s),
        "ours": ours(NO_BUDGET),
        BUDGETED: ours(budget_usd),
    }


def compare(
    trace: Trace, settings: Settings, prices: Prices, *, work_s: float, every_s: float, budget_usd: float
) -> Row:
    def cost(policy: Policy) -> Cost:
        ticks = trace.length_s if isinstance(policy, Fixed) else every_s  # it has one thing to say
        return cost_of(replay(trace, policy, prices, work_s=work_s, every_s=ticks), prices)

    fixed = {w: cost(Fixed(LONGEST_S, 1) if w == ALWAYS else Fixed(w)) for w in WINDOWS_S}
    best = min(fixed, key=lambda window: fixed[window].usd)
    compared = {name: cost(policy) for name, policy in policies(settings, prices, every_s, budget_usd).items()}
    return Row(
        trace.family,
        trace.name,
        len(trace.arrivals),
        clairvoyant_usd(trace.arrivals, work_s, prices),
        best_by_hour_usd(trace.arrivals, work_s, prices, WINDOWS_S),
        best,
        fixed[best],
        compared,
    )


def families(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Of each family together: ours against the best fixed window of the family, 10 minutes, and the bounds.

    The best window is that of each trace: a family's own is no better.
    """
    found = {}
    for family in dict.fromkeys(row.family for row in rows):
        of = [row for row in rows if row.family == family]
        ours = sum(row.policies["ours"].usd for row in of)
        found[family] = {
            "to_best_fixed": ours / sum(row.best_fixed.usd for row in of),
            "to_10_min": ours / sum(row.policies["10 min"].usd for row in of),
            "to_by_hour": ours / sum(row.by_hour_usd for row in of),
            "to_optimum": ours / sum(row.optimum_usd for row in of),
            "by_hour_to_10_min": sum(row.by_hour_usd for row in of) / sum(row.policies["10 min"].usd for row in of),
        }
    return found


def printed(rows: Sequence[Row], prices: Prices) -> Iterable[str]:
    yield ""
    start, idling = f"{prices.cold_start_s:.0f} s", f"{prices.break_even_s:.0f} s"
    yield f"### A cold start takes {start}, and costs as much as {idling} of idling"
    yield ""
    yield "| family | ours / best fixed | ours / 10 min | ours / clairvoyant | best window by hour / 10 min |"
    yield "|---|---:|---:|---:|---:|"
    for family, of in families(rows).items():
        missed = of["to_best_fixed"] > 1.05 or (family in PREDICTABLE and of["to_10_min"] > 0.6)
        yield (
            f"| {family}{' (missed)' if missed else ''} | {of['to_best_fixed']:.2f} | {of['to_10_min']:.2f} "
            f"| {of['to_optimum']:.1f} | {of['by_hour_to_10_min']:.2f} |"
        )
    names = list(rows[0].policies)
    yield ""
    yield "USD by trace; of ours also the requests that found no warm engine, and how long they waited:"
    yield ""
    titles = ["trace", "requests", "clairvoyant", "best window by hour", "best fixed", *names, "cold", "p50/p95/p99 s"]
    yield "| " + " | ".join(titles) + " |"
    yield "|---|" + "---:|" * (len(titles) - 1)
    for row in rows:
        best = "always" if row.best_window_s == ALWAYS else f"{row.best_window_s:.0f} s"
        costs = " | ".join(f"{row.policies[name].usd:.1f}" for name in names)
        ours = row.policies["ours"]
        yield (
            f"| {row.family}: {row.name} | {row.requests:,} | {row.optimum_usd:.1f} | {row.by_hour_usd:.1f} "
            f"| {row.best_fixed.usd:.1f} ({best}) | {costs} | {ours.cold_rate:.1%} "
            f"| {ours.wait_p50_s:.0f}/{ours.wait_p95_s:.0f}/{ours.wait_p99_s:.0f} |"
        )


def sessions_known(rows: Sequence[Row], prices: Prices, work_s: float) -> Iterable[str]:
    """What office hours cost whoever knows whether a session goes on, as parts of ten minutes' costs."""
    of = [row for row in rows if row.family == "office hours"]
    if not of:
        return
    usd = [sessions_known_usd(sessions_of(row.name), work_s, prices) for row in of]
    ten = [row.policies["10 min"].usd for row in of]
    parts = ", ".join(f"{row.name} {own / minutes:.2f}" for row, own, minutes in zip(of, usd, ten, strict=True))
    yield ""
    yield (
        f"Office hours, kept warm exactly while a session goes on (a bound for who does not see single requests): "
        f"{sum(usd) / sum(ten):.2f} of 10 min ({parts})."
    )


def main() -> None:
    settings = load_settings("production")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    traces_at = Path(os.environ.get("AZURE_TRACES", ROOT.parent / "shared" / "data"))
    parser.add_argument("--azure", type=Path, default=traces_at, help="directory of Azure's traces")
    parser.add_argument("--cold", type=float, nargs="+", default=[10.0, 30.0], help="seconds of a cold start")
    parser.add_argument("--warm", type=float, default=2.7, help="seconds of a request on a warm engine")
    parser.add_argument("--every", type=float, default=EVERY_S, help="seconds between decisions")
    parser.add_argument("--gpu", type=float, default=usd_per_hour(settings), help="USD an hour of a warm engine")
    parser.add_argument(
        "--waited", type=float, default=settings.keep_alive.waited_usd_per_s, help="USD a second waited"
    )
    parser.add_argument("--budget", type=float, default=20.0, help="USD a day for idling, where there is a budget")
    parser.add_argument("--family", help="only this one; writes nothing")
    asked = parser.parse_args()
    results: dict[float, list[Row]] = {}
    for cold_s in asked.cold:
        prices = Prices(asked.gpu / 3600, asked.waited, cold_s)
        results[cold_s] = [
            compare(trace, settings, prices, work_s=asked.warm, every_s=asked.every, budget_usd=asked.budget)
            for trace in traces(asked.azure)
            if asked.family in {None, trace.family}
        ]
        print("\n".join([*printed(results[cold_s], prices), *sessions_known(results[cold_s], prices, asked.warm)]))
    if asked.family is None:
        write(results, Prices(asked.gpu / 3600, asked.waited, asked.cold[0]), vars(asked))


def write(results: dict[float, list[Row]], prices: Prices, asked: dict[str, Any]) -> None:
    """All of it as JSON, the first cold start as a chart, and the tables into the documentation."""
    document = {
        "arguments": {name: value for name, value in asked.items() if name not in {"azure", "family", "cold"}},
        "cold_starts": [
            {"cold_start_s": cold_s, "families": families(rows), "traces": [asdict(row) for row in rows]}
            for cold_s, rows in results.items()
        ],
    }
    (ROOT / "bench" / "results" / "keep_alive.json").write_text(json.dumps(_rounded(document), indent=1) + "\n")
    first = results[asked["cold"][0]]
    picture = chart(asked["cold"][0], families_for_chart(first))
    (ROOT / "docs" / "images" / "keep-alive.svg").write_text(picture)
    page = ROOT / "docs" / "keep-alive.md"
    before, _, rest = page.read_text().partition(BEGIN)
    lines: list[str] = []
    for cold_s, rows in results.items():
        priced = replace(prices, cold_start_s=cold_s)
        lines += [*printed(rows, priced), *sessions_known(rows, priced, asked["warm"])]
    tables = "\n".join(lines)
    page.write_text(f"{before}{BEGIN}\n{tables}\n{END}{rest.partition(END)[2]}")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return "always" if value == ALWAYS else round(value, 4)
    return value


def families_for_chart(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Costs of each family as multiples of the best fixed window's."""
    shown = {}
    for family in dict.fromkeys(row.family for row in rows):
        of = [row for row in rows if row.family == family]
        best = sum(row.best_fixed.usd for row in of)
        shown[family] = {
            name: sum(row.policies[name].usd for row in of) / best for name in of[0].policies if name != BUDGETED
        } | {"clairvoyant": sum(row.optimum_usd for row in of) / best}
    return shown


if __name__ == "__main__":
    main()
