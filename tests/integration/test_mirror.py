"""What `kot` shows of a stream that breaks and is begun again."""

import pytest
from fleet import fleet, solve

from services.cli.mirror import Mirror


def shown(mirror):
    return {(node.thought.id, tuple(node.parents), node.value, node.status, node.draws) for node in mirror.tree}


@pytest.mark.parametrize("seen", [1, 2, 5, -2, -1])
async def test_a_stream_that_is_begun_again_is_shown_as_one_whole_solve(seen):
    async with fleet() as target:
        run = await solve(target, "1 1 11 11")
    whole, cut = Mirror("1 1 11 11"), Mirror("1 1 11 11")
    for message in run.messages:
        whole.take(message)
    for message in run.messages[:seen]:
        cut.take(message)
    so_far, nodes = len(cut.tree), cut.progress.nodes
    cut.awaited.add("server")
    for message in run.messages:
        cut.take(message)
        # What was shown is not taken away while the new stream catches up.
        assert len(cut.tree) >= so_far
        assert cut.progress.nodes >= nodes
    assert not cut.awaited
    assert (shown(cut), cut.dropped, cut.progress, cut.result) == (
        shown(whole),
        whole.dropped,
        whole.progress,
        run.result,
    )
    assert (cut.solve_id, cut.strategy) == (run.result.solve_id, run.accepted.strategy)
