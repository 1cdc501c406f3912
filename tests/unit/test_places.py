"""Places for calls: as many as a service was seen to take, first come first served."""

import asyncio

from services.adapters.places import GROWTH, Places


async def waiting(places, count, **how):
    """Begin to wait for so many places; the tasks are done when they have them."""
    tasks = [asyncio.create_task(places.take(**how)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def given(tasks):
    return [task.done() for task in tasks]


async def test_who_comes_first_has_the_next_place():
    places = Places(2)
    tasks = await waiting(places, 4)
    assert given(tasks) == [True, True, False, False]
    places.free()
    await tasks[2]
    assert given(tasks) == [True, True, True, False]
    tasks[3].cancel()


async def test_one_that_was_refused_is_the_next():
    places = Places(1)
    [_, other] = await waiting(places, 2)
    [refused] = await waiting(places, 1, first=True)
    places.free()
    await refused
    assert not other.done()
    other.cancel()


async def test_refusals_leave_as_many_places_as_there_are_calls_that_were_not_refused():
    places = Places(16)
    await waiting(places, 16)
    for _ in range(13):
        assert places.shrink()
        places.free()
    tasks = await waiting(places, 4)
    assert given(tasks) == [False] * 4
    for _ in range(3):
        places.free()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert given(tasks) == [True, True, True, False]
    tasks[3].cancel()


async def test_the_last_one_that_is_refused_is_told_so_and_may_try_again():
    places = Places(2)
    await waiting(places, 2)
    assert places.shrink()
    places.free()
    assert not places.shrink()
    places.free()
    assert given(await waiting(places, 1)) == [True]


async def test_what_was_away_is_soon_asked_as_much_as_before():
    places = Places(16)
    await waiting(places, 16)
    for _ in range(16):
        places.shrink()
        places.free()
    rounds = []
    tasks = await waiting(places, 31)
    while not all(given(tasks)):
        rounds.append(sum(given(tasks)) - sum(rounds))
        for _ in range(rounds[-1]):
            places.grow()
            places.free()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert rounds == [1, 2, 4, 8]


async def test_what_is_seen_to_be_full_again_is_asked_more_only_slowly():
    places = Places(16)
    await waiting(places, 1)
    places.shrink()
    for _ in range(3):
        places.grow()
    await waiting(places, 3)
    assert places.shrink()
    places.free()
    places.grow()
    assert given(await waiting(places, 1)) == [False]


async def test_calls_that_are_taken_make_room_for_more_up_to_the_most():
    places = Places(3)
    await waiting(places, 2)
    places.shrink()
    places.free()
    [task] = await waiting(places, 1)
    for _ in range(round(1 / GROWTH) + 1):
        places.grow()
    await task
    for _ in range(100):
        places.grow()
    assert given(await waiting(places, 2)) == [True, False]


async def test_whoever_leaves_takes_no_place_along():
    places = Places(1)
    [_, leaving, next_one] = await waiting(places, 3)
    leaving.cancel()
    places.free()
    await next_one
    [given_late] = await waiting(places, 1)
    places.free()
    given_late.cancel()
    await asyncio.wait([given_late])
    assert given(await waiting(places, 1)) == [True]
