"""A trace that is shaped like the tree: a span for each thought, below the span of the thought that it goes on from.

A thought's span lasts from its birth, when the generator said it, to the end of its subtree. What stages and models do
for a thought lies within. A step that leads to a thought that was known has a span too, which links to that thought's.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter

from services.core.thought import Label, Thought, Usage, Value, thought_id
from services.core.tree import Evaluated, Event, Expanded, Failed, Merged, Proposed, Pruned, Tree, Validated
from services.telemetry import names, tracing
from services.telemetry.tracing import Attributes, Span, Tracing

_UNTOLD = "untold"
"""The status of a thought that came too late to be told."""


@dataclass(slots=True, eq=False)
class _Branch:
    span: Span
    above: "_Branch | None"
    last_ns: int
    status: str = _UNTOLD
    usage: Usage = field(default_factory=Usage)
    of_many: bool = False
    """Whether it stands for many thoughts: what became of one of them says nothing of it."""


class Branches:
    """The spans of one solve, as one process runs it. Times are the machine's."""

    def __init__(self, by: Tracing, span: Span, root_id: str) -> None:
        self._by = by
        self.trace = span.trace
        """Names the whole: a solve that is taken up again links to it."""
        self._root_id = root_id
        self._root = _Branch(span, None, span.start_ns, "open")
        self._branches = {root_id: self._root}
        self._levels: dict[int, _Branch] = {}

    def expanding(self, expanded_id: str, tree: Tree) -> str:
        """Return where the requests for this thought's children belong."""
        branch = self._branches.get(expanded_id)
        if branch is None:
            branch = self._stand_in(expanded_id, tree)
        return branch.span.trace

    def born(self, parent_id: str, text: str, depth: int) -> str:
        """Begin a thought's span; returns where the requests that judge it belong."""
        child_id, parent = thought_id(parent_id, text), self._branches[parent_id]
        branch = self._branches.get(child_id)
        if branch is None:
            self._branches[child_id] = branch = self._begin(parent, depth, child_id)
        return branch.span.trace

    def told(self, events: Iterable[Event]) -> None:
        """Write down what became of thoughts."""
        now = time.time_ns()
        for event in events:
            branch = self._branches.get(event.thought_id)
            if isinstance(event, Merged):
                self._merge(event, branch, now)
            elif branch is not None:
                branch.last_ns = now
                if not branch.of_many:
                    self._note(branch, event)
                elif isinstance(event, Expanded):
                    branch.usage += event.usage

    def end(self, status: str, usage: Usage, answer_ids: Iterable[str] = ()) -> None:
        """End every span, each when the last of its subtree has ended."""
        for answer_id in answer_ids:
            if (branch := self._branches.get(answer_id)) and not branch.of_many:
                branch.span.attributes[names.ON_ANSWER_PATH] = True
        self._root.usage, self._root.status = usage, status
        # That of many thoughts ends once.
        for branch in reversed(dict.fromkeys([*self._branches.values(), *self._levels.values()])):
            if branch is not self._root:
                self._end(branch)
        self._root.last_ns = time.time_ns()
        self._end(self._root)

    def _end(self, branch: _Branch) -> None:
        branch.span.attributes[names.STATUS] = branch.status
        if branch.usage.model_calls or branch.usage.cache_hits:
            branch.span.note(spent(branch.usage))
        branch.span.end(branch.last_ns)
        if branch.above:
            branch.above.last_ns = max(branch.above.last_ns, branch.last_ns)

    def _begin(self, parent: _Branch, depth: int, child_id: str, **more: bool) -> _Branch:
        if len(self._branches) >= self._by.most_spans:
            return self._level(depth)
        attributes: Attributes = {names.THOUGHT_ID: child_id, names.DEPTH: depth, **more}
        span = self._by.start(names.THOUGHT, parent.span.trace, attributes)
        return _Branch(span, parent, span.start_ns)

    def _level(self, depth: int) -> _Branch:
        """Return the span of a depth, below that of the solve, for thoughts that have none of their own."""
        if depth not in self._levels:
            span = self._by.start(names.LEVEL, self.trace, {names.DEPTH: depth})
            self._levels[depth] = _Branch(span, self._root, span.start_ns, "open", of_many=True)
        return self._levels[depth]

    def _stand_in(self, missing_id: str, tree: Tree) -> _Branch:
        """Begin the span of a thought that another trace shows, and of those above it that this one lacks."""
        thought = tree[missing_id].thought
        above = self._branches.get(thought.parent_id or self._root_id)
        if above is None:
            above = self._stand_in(thought.parent_id or self._root_id, tree)
        branch = self._begin(above, thought.depth, missing_id, **{names.STAND_IN: True})
        branch.status = "open"
        self._branches[missing_id] = branch
        return branch

    def _merge(self, event: Merged, known: _Branch | None, now: int) -> None:
        """Let the span of the step say that it led to a thought that was known."""
        step = self._branches.get(thought_id(event.parent_id, event.text))
        if step is None or step is known:
            return
        step.status, step.last_ns = "merged", now
        if known:
            step.span.link(known.span.trace)

    def _note(self, branch: _Branch, event: Event) -> None:
        attributes = branch.span.attributes
        match event:
            case Proposed(thought):
                branch.status = "open"
                if self._by.with_content:
                    attributes[names.TEXT] = thought.text
            case Evaluated(_, value):
                attributes[names.SCORE] = value.score
                attributes[names.SURE], attributes[names.IMPOSSIBLE] = value.sure, value.impossible
                if label := _likeliest(value):
                    attributes[names.LABEL] = label.value
            case Validated(_, verdict):
                branch.status = "answer" if verdict == "certain" else "rejected"
                attributes[names.VERDICT] = str(verdict)
            case Pruned(_, reason):
                branch.status, attributes[names.NOTE] = "pruned", reason
            case Failed(_, reason, message):
                branch.status = "failed"
                branch.span.fail(str(reason), message)
            case Expanded(_, draw, _, usage):
                branch.usage += usage
                attributes[names.DRAWS] = draw + 1


def _likeliest(value: Value) -> Label | None:
    """Return the label that a state most likely has; None if it has none, such as after a vote."""
    shares = ((value.sure, Label.SURE), (value.likely, Label.LIKELY), (value.impossible, Label.IMPOSSIBLE))
    share, label = max(shares, key=itemgetter(0))
    return label if share else None


def begin(root: Thought, attributes: Attributes, *, parent: str, previous: str) -> Branches | None:
    """Begin the trace of a solve, below its client's `parent` if it has one, linked to its `previous` one.

    None if nothing is traced, or not this one.
    """
    by = tracing.current()
    if by is None:
        return None
    span = by.start(names.SOLVE, parent, attributes, links=[previous] if previous else [])
    if not span.trace:
        return None
    span.note({names.THOUGHT_ID: root.id, names.DEPTH: 0})
    if by.with_content:
        span.note({names.PROBLEM: root.text})
    return Branches(by, span, root.id)


def spent(usage: Usage) -> Attributes:
    """Return what something has cost, as attributes."""
    return {
        names.MODEL_CALLS: usage.model_calls,
        names.PROMPT_TOKENS: usage.prompt_tokens,
        names.COMPLETION_TOKENS: usage.completion_tokens,
        names.CACHE_HITS: usage.cache_hits,
        names.DOLLARS: usage.dollars,
    }
