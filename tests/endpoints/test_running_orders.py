import asyncio
from collections.abc import Awaitable, Callable

import pytest

from endpoints.running_orders import RunningOrders, WorkUnderWay
from endpoints.server_sent_events import Event
from endpoints.work import Emit
from functions.failures import BudgetExceeded

Do = Callable[[Emit[Event]], Awaitable[None]]


def order(session_id: str, *, stored: asyncio.Event | None = None, ended: asyncio.Event | None = None) -> Do:
    """Work that is stored, and ends, when it is told to; at once where nothing is to be waited for."""

    async def do(emit: Emit[Event]) -> None:
        if stored:
            await stored.wait()
        await emit(Event("session", {"session": {"id": session_id, "version": 1}}))
        if ended:
            await ended.wait()

    return do


async def test_a_session_is_taken_from_when_its_order_is_given_until_that_has_ended():
    orders, stored, ended = RunningOrders(), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(orders.start(order("s", stored=stored, ended=ended), user_id="a", session_id="s"))
    await asyncio.sleep(0)
    for _ in range(2):
        assert orders.of("s") is None  # nobody is told of what may still be refused
        with pytest.raises(WorkUnderWay):
            await orders.start(order("s"), user_id="b", session_id="s")
    stored.set()
    running = await first
    assert orders.of("s") is running
    with pytest.raises(WorkUnderWay):
        await orders.start(order("s"), user_id="b", session_id="s")
    await orders.start(order("t"), user_id="b", session_id="t")
    ended.set()
    await running.after(running.number)
    assert (await orders.start(order("s"), user_id="b", session_id="s")).session_id == "s"


async def test_an_order_that_is_not_admitted_leaves_its_session_free():
    async def refused(_emit: Emit[Event]) -> None:
        raise BudgetExceeded("day", 1.0, 1.0)

    orders = RunningOrders()
    with pytest.raises(BudgetExceeded):
        await orders.start(refused, user_id="a", session_id="s")
    assert await orders.start(order("s"), user_id="a", session_id="s")


async def test_stopping_an_order_that_has_ended_does_not_stop_the_next_one_for_its_session():
    orders, ended = RunningOrders(), asyncio.Event()
    first = await orders.start(order("s"), user_id="a", session_id="s")
    await first.after(first.number)
    second = await orders.start(order("s", ended=ended), user_id="a", session_id="s")
    await orders.stop(first)
    assert orders.of("s") is second
    await orders.stop(second)
    assert (orders.of("s"), second.stage, list(orders)) == (None, "failed", [])


async def test_whoever_leaves_before_the_order_is_stored_leaves_nothing_behind():
    orders, stored = RunningOrders(), asyncio.Event()
    starting = asyncio.create_task(orders.start(order("s", stored=stored), user_id="a", session_id="s"))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait({starting})
    stored.set()
    await orders.close()
    assert list(orders) == []
    assert await orders.start(order("s"), user_id="a", session_id="s")


async def test_a_second_stop_does_not_hit_the_clean_up_that_the_first_one_began():
    cleaned, cleaning, go_on = [], asyncio.Event(), asyncio.Event()

    async def do(emit: Emit[Event]) -> None:
        await emit(Event("session", {"session": {"id": "s", "version": 1}}))
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await go_on.wait()
            cleaned.append(True)

    orders = RunningOrders()
    running = await orders.start(do, user_id="a")
    stopping = [asyncio.create_task(orders.stop(running))]
    await cleaning.wait()
    stopping += [asyncio.create_task(orders.stop(running)), asyncio.create_task(orders.close())]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*stopping)
    assert cleaned == [True]
