"""A scripted writer for the task of creative writing: plans and passages with a grade, and a judge who sees it."""

import re

from services.adapters.llm.scripted import ScriptedModel
from services.tasks.creative_writing import TASK

PROBLEM = TASK.example
SENTENCES = TASK.normalize(PROBLEM).split("\n")
COHERENT = 4
"""The least grade of a passage that the judge finds coherent."""


def passage(grade):
    """Four paragraphs that end as they have to."""
    return "\n\n".join(f"Part {number}, grade {grade}. {ending}" for number, ending in enumerate(SENTENCES, start=1))


def grades(prompt):
    """The grade of each choice of a vote."""
    return [int(re.search(r"grade (\d)", choice)[1]) for choice in re.split(r"Choice \d+:\n", prompt)[1:]]


def write(prompt, seed):
    """Grades are drawn, and a good plan helps; votes are for the best grade, now and then for no choice."""
    if prompt.endswith("Passage:\n"):
        planned = re.search(r"Plan:\nA plan of grade (\d)", prompt)
        return passage(min((seed + int(planned[1])) % 6 if planned else seed % 4, 5))
    if prompt.endswith("Plan:\n"):
        chained = '"Passage:" on a line' in prompt
        rest = f"Passage:\n{passage(seed % 6)}" if chained else ""
        return f"A plan of grade {seed % 5}\nwith a second line\n{rest}"
    if prompt.rstrip().endswith("Best:"):
        best = grades(prompt).index(max(grades(prompt))) + 1
        if not prompt.endswith("\n"):
            return f" {best}"
        return f"I compared them.\nBest: {best}" if seed % 5 else "I like them all."
    if prompt.rstrip().endswith("Coherency:"):
        grade = int(re.search(r"grade (\d)", prompt)[1])
        return f"I read it.\nCoherency: {9 if grade >= COHERENT else 4}"[0 if prompt.endswith("\n") else -1 :]
    return "well\nlikely"


class Writer(ScriptedModel):
    """Remembers what it was asked; votes fail with `failure`, if there is one."""

    def __init__(self, script=write, failure=None):
        super().__init__(script)
        self.requests = []
        self._failure = failure

    async def complete(self, request):
        self.requests.append(request)
        if self._failure and is_vote(request):
            raise self._failure("no vote today")
        async for event in super().complete(request):
            yield event

    def votes(self):
        return [request for request in self.requests if is_vote(request)]

    def checks(self):
        return [request for request in self.requests if request.prompt.rstrip().endswith("Coherency:")]


def is_vote(request):
    return request.prompt.rstrip().endswith("Best:")
