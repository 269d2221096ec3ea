"""The five triggers for leaving a single platform, each with its figure, and what they say together.

The project reports them; it does not migrate. Product rule: all five, months of production data and a clear return are
needed for "go"; an outage of hours, or a cost that nobody expected, is an emergency of its own.
"""

from collections.abc import Sequence
from datetime import date
from statistics import fmean
from typing import Literal

from pydantic import BaseModel, ConfigDict

from functions.operation import Month
from infra.operation_settings import ScaleTriggerSettings

HOUR_S = 3600
MONTHS_BEFORE = 3
"""A cost is unexpected against the mean of so many months before it."""


class MonthValue(BaseModel):
    """A trigger's figure in one month; None where there is none."""

    model_config = ConfigDict(frozen=True)

    month: date
    value: float | None


class Trigger(BaseModel):
    """One trigger. `met` is None where nothing is known of it: then it does not count as met."""

    model_config = ConfigDict(frozen=True)

    name: Literal["requests", "egress", "latency", "residency", "bill"]
    title: str
    unit: str
    value: float | None
    threshold: float | None
    met: bool | None
    history: tuple[MonthValue, ...] = ()
    reasoning: str


class Emergency(BaseModel):
    """Something that asks for a decision by itself."""

    model_config = ConfigDict(frozen=True)

    month: date
    what: str


class ScaleTriggers(BaseModel):
    """All five, and the rule over them."""

    model_config = ConfigDict(frozen=True)

    triggers: tuple[Trigger, ...]
    decision: Literal["go", "no-go"]
    reasoning: str
    rule: str
    months_of_data: int
    clear_return: bool
    emergencies: tuple[Emergency, ...]


def scale_triggers(settings: ScaleTriggerSettings, months: Sequence[Month]) -> ScaleTriggers:
    """Judge `months`, of which the last is this one, not over yet."""
    whole = [month for month in months[:-1] if month.requests > 0]
    triggers = (
        _requests(settings, months),
        _egress(settings),
        _latency(settings),
        _residency(settings),
        _bill(settings, months),
    )
    missing = [trigger.title for trigger in triggers if not trigger.met]
    if len(whole) < settings.months_of_data:
        missing.append(f"{settings.months_of_data} months of production data (there are {len(whole)})")
    if not settings.stated_clear_return:
        missing.append("a clear return")
    return ScaleTriggers(
        triggers=triggers,
        decision="no-go" if missing else "go",
        reasoning=f"missing: {'; '.join(missing)}" if missing else "everything that the rule asks for is there",
        rule=f"all five triggers, {settings.months_of_data} months of production data and a clear return",
        months_of_data=len(whole),
        clear_return=settings.stated_clear_return,
        emergencies=tuple(_emergencies(settings, months)),
    )


def _requests(settings: ScaleTriggerSettings, months: Sequence[Month]) -> Trigger:
    """Sustained: in each of the last whole months; this month's is shown, and does not count before it is over."""
    last = months[:-1][-settings.sustained_months :]
    over = [month for month in last if month.requests > settings.requests_per_month]
    met = len(over) == settings.sustained_months
    return Trigger(
        name="requests",
        title="requests a month, sustained",
        unit="requests/month",
        value=months[-1].requests if months else None,
        threshold=settings.requests_per_month,
        met=met,
        history=tuple(MonthValue(month=month.month, value=month.requests) for month in months),
        reasoning=f"over {settings.requests_per_month:,} in {len(over)} of the last {settings.sustained_months} whole "
        f"months; sustained means in all of them",
    )


def _egress(settings: ScaleTriggerSettings) -> Trigger:
    stated = settings.stated_egress_usd_per_month
    reasoning = "the platform's bill has no line for egress, and nobody has stated a figure in the settings"
    if stated is not None:
        reasoning = f"${stated:,.2f} a month, as stated in the settings"
    return Trigger(
        name="egress",
        title="egress cost a month",
        unit="usd/month",
        value=stated,
        threshold=settings.egress_usd_per_month,
        met=None if stated is None else stated > settings.egress_usd_per_month,
        reasoning=reasoning,
    )


def _latency(settings: ScaleTriggerSettings) -> Trigger:
    need = settings.stated_latency_need_s
    reasoning = "nobody has stated a need: what users get is in /api/metrics, what they need is the operator's to say"
    if need is not None:
        reasoning = f"an answer is needed within {need:g} s, as stated in the settings"
    return Trigger(
        name="latency",
        title="a latency need under what a single platform gives",
        unit="seconds",
        value=need,
        threshold=settings.latency_s,
        met=need is not None and need < settings.latency_s,
        reasoning=reasoning,
    )


def _residency(settings: ScaleTriggerSettings) -> Trigger:
    need = settings.stated_residency_need
    return Trigger(
        name="residency",
        title="a data-residency need",
        unit="yes/no",
        value=float(need),
        threshold=None,
        met=need,
        reasoning=f"the settings state {'one' if need else 'none'}",
    )


def _bill(settings: ScaleTriggerSettings, months: Sequence[Month]) -> Trigger:
    billed = [float(month.billed_usd) for month in months[-2:] if month.billed_usd is not None]
    value = max(billed, default=None)
    reasoning = "no bill is stored for this month or the last one"
    if value is not None:
        reasoning = f"${value:,.2f}: the higher of this month so far and the last one, by the platform's bill"
    return Trigger(
        name="bill",
        title="the platform's bill a month",
        unit="usd/month",
        value=value,
        threshold=settings.bill_usd_per_month,
        met=None if value is None else value > settings.bill_usd_per_month,
        history=tuple(
            MonthValue(month=month.month, value=None if month.billed_usd is None else float(month.billed_usd))
            for month in months
        ),
        reasoning=reasoning,
    )


def _emergencies(settings: ScaleTriggerSettings, months: Sequence[Month]) -> list[Emergency]:
    found = []
    for number, month in enumerate(months):
        hours = (month.longest_outage_s or 0.0) / HOUR_S
        if hours > settings.outage_hours:
            found.append(Emergency(month=month.month, what=f"an outage of {hours:.1f} hours"))
        before = [
            float(m.billed_usd) for m in months[max(0, number - MONTHS_BEFORE) : number] if m.billed_usd is not None
        ]
        if month.billed_usd is not None and before:
            more = float(month.billed_usd) - fmean(before)
            if more > settings.cost_spike_usd:
                what = f"a bill ${more:,.2f} above the mean of the {len(before)} months before"
                found.append(Emergency(month=month.month, what=what))
    return found
