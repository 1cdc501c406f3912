"""A process that is frozen for longer than its lease, and wakes up after another has taken its solve over."""

import asyncio
import os
import signal

import hooks
import pytest
from chaos_fleet import FIELDS, ORCHESTRATORS, assert_undisturbed, chaos_fleet
from fleet import fleet, solve, until

from services.core.history import Resumed

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


@pytest.mark.parametrize("point", [hooks.BEFORE_APPEND, hooks.AFTER_APPEND, hooks.BEFORE_SEND])
async def test_one_that_wakes_up_too_late_doubles_nothing(tmp_path, point):
    frozen, other = ORCHESTRATORS
    async with chaos_fleet(tmp_path) as running, fleet() as undisturbed:
        pid = running.pid(frozen)
        expected = await solve(undisturbed, **FIELDS)
        waiting = asyncio.create_task(running.solve([frozen], "s", **FIELDS))
        await until(lambda: running.messages > 5, 60)
        running.order(point, hooks.ITSELF, signal.SIGSTOP)
        await running.taken(point)
        run = await running.solve([other], "s", **FIELDS)
        assert not waiting.done()
        os.kill(pid, signal.SIGCONT)
        told_late = await waiting
        await until(lambda: "another process runs the solve now" in running.said(frozen, pid), 60)
        records = await running.history("s")
        for each in (run, told_late):
            assert_undisturbed("s", expected, each, records)
        assert [record.pod for record in records if isinstance(record, Resumed)] == [other]
        assert running.ends == []
