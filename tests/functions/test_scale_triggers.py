from datetime import date
from decimal import Decimal

from functions.operation import Month
from functions.scale_triggers import scale_triggers
from infra.settings import Settings

MONTHS = [date(2026, month, 1) for month in range(4, 12)]


def months(requests: int, billed: float | None, outage_s: float | None = None) -> list[Month]:
    bill = None if billed is None else Decimal(str(billed))
    return [Month(month=day, requests=requests, billed_usd=bill, longest_outage_s=outage_s) for day in MONTHS]


def test_nothing_known_is_no_reason_to_go(settings: Settings):
    judged = scale_triggers(settings.scale_triggers, [])
    assert judged.decision == "no-go"
    assert [trigger.met for trigger in judged.triggers] == [False, None, False, False, None]


def test_all_five_with_data_and_a_return_are_a_go_and_one_less_is_not(settings: Settings):
    stated = settings.scale_triggers.model_copy(
        update={
            "stated_egress_usd_per_month": 600.0, "stated_latency_need_s": 0.5, "stated_residency_need": True,
            "stated_clear_return": True,
        }
    )  # fmt: skip
    history = months(100_001, 2000.01)
    assert scale_triggers(stated, history).decision == "go"
    assert [t.met for t in scale_triggers(stated, history).triggers] == [True] * 5
    for less in (
        {"stated_egress_usd_per_month": 500.0}, {"stated_latency_need_s": 1.0}, {"stated_residency_need": False},
        {"stated_clear_return": False},
    ):  # fmt: skip
        assert scale_triggers(stated.model_copy(update=less), history).decision == "no-go"
    assert scale_triggers(stated, months(100_000, 2000.01)).decision == "no-go"
    assert scale_triggers(stated, months(100_001, 2000.0)).decision == "no-go"
    assert "6 months of production data (there are 5)" in scale_triggers(stated, history[-6:]).reasoning


def test_requests_are_sustained_over_whole_months(settings: Settings):
    history = months(50_000, 10)
    history[-1] = history[-1].model_copy(update={"requests": 400_000})
    requests = scale_triggers(settings.scale_triggers, history).triggers[0]
    assert (requests.value, requests.met) == (400_000, False)
    assert [month.value for month in requests.history] == [50_000] * 7 + [400_000]


def test_an_outage_of_hours_and_a_bill_that_nobody_expected_are_emergencies(settings: Settings):
    history = months(10, 100)
    history[-2] = history[-2].model_copy(update={"longest_outage_s": 4.5 * 3600})
    history[-1] = history[-1].model_copy(update={"billed_usd": Decimal("2100.50")})
    found = [(e.month, e.what) for e in scale_triggers(settings.scale_triggers, history).emergencies]
    assert found == [
        (date(2026, 10, 1), "an outage of 4.5 hours"),
        (date(2026, 11, 1), "a bill $2,000.50 above the mean of the 3 months before"),
    ]
