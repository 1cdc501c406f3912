"""Deadlines: what a caller still waits for is what its callees may take."""

import asyncio

from services.rpc.deadline import MARGIN_SECONDS, hold_to, time_left


async def test_without_a_deadline_a_call_has_its_own_time():
    assert time_left(55) == 55


async def test_a_call_ends_before_its_callers_deadline():
    hold_to(10)
    assert 0 < time_left(55) <= 10 - MARGIN_SECONDS
    assert time_left(3) == 3


async def test_a_later_deadline_or_none_does_not_put_off_an_earlier_one():
    hold_to(5)
    hold_to(50)
    hold_to(None)
    assert time_left(55) <= 5


async def test_tasks_inherit_the_deadline_and_keep_theirs_to_themselves():
    async def inner():
        hold_to(1)
        return time_left(55)

    hold_to(5)
    assert await asyncio.create_task(inner()) <= 1
    assert time_left(55) > 1


async def test_a_deadline_that_has_passed_leaves_no_time():
    hold_to(-1)
    assert time_left(55) == 0
