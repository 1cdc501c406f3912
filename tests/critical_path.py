"""The critical path of a trace: what its first span waited for, from its end backwards.

At its end a span had waited for the one of its children that ended last; when that began, for the one that had ended
last by then; and so on, down to its own beginning. What lies between them is the span's own time on the path. A child
that ended after its parent, or after the next one on the path began, is not on it: nobody waited for its end.
"""

from collections import defaultdict


def critical_path(spans, root):
    """Return the spans on the path below `root`, the last first, each with the nanoseconds that are its own.

    If every span on it lies within its parent, they add up to `root`'s time.
    """
    children = defaultdict(list)
    for span in spans:
        children[span.parent].append(span)

    def walk(span):
        own, cursor, below = 0, span.end, []
        for child in sorted(children[span.id], key=lambda child: (child.end, child.start), reverse=True):
            if child.end <= cursor:
                own += cursor - child.end
                cursor = child.start
                below += walk(child)
        return [(span, own + abs(cursor - span.start)), *below]

    return walk(root)
