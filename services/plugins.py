"""Finds tasks, strategies and model backends by name: a module's file name, or an outsider's entry point.

A module is imported only when it is asked for, because import time is cold start.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from services.core.errors import InvalidInput, Reason
from services.core.ports import TaskSelection
from services.core.task import Task, TaskDefinition


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plug-in: the package whose modules it ships, and the entry point group that adds to them."""

    package: str
    group: str

    def names(self) -> list[str]:
        """Return every name there is, in order."""
        return sorted({*self._shipped(), *self._outside()})

    def load(self, name: str) -> ModuleType:
        """Import the module; `KeyError` if there is none of this name."""
        if name in self._shipped():
            return importlib.import_module(f"{self.package}.{name}")
        module = self._outside()[name].load()
        if not isinstance(module, ModuleType):
            raise TypeError(f"entry point {name} of {self.group} must name a module")
        return module

    def _shipped(self) -> list[str]:
        package = importlib.import_module(self.package)
        return [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]

    def _outside(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}


TASKS = Kind("services.tasks", "kube_of_thoughts.tasks")
"""A task's module has `TASK`, a `services.core.task.Task`."""

STRATEGIES = Kind("services.orchestrator.search", "kube_of_thoughts.strategies")
"""A strategy's module has `Settings`, a settings class, and `Policy`, a `services.core.search.SearchPolicy`."""

MODELS = Kind("services.adapters.llm", "kube_of_thoughts.models")
"""A backend's module has `create(settings)`, which returns a `services.core.ports.LanguageModel`."""

LOGS = Kind("services.adapters.log", "kube_of_thoughts.logs")
BUSES = Kind("services.adapters.bus", "kube_of_thoughts.buses")
CACHES = Kind("services.adapters.cache", "kube_of_thoughts.caches")
TREES = Kind("services.adapters.tree", "kube_of_thoughts.trees")
"""A store's module has `create(state, ...)`, which returns what its port in `services.core.stores` says."""


@cache
def find_task(name: str) -> Task:
    """Return the task of this name; `InvalidInput` names those that there are."""
    task: Task = _load_known(TASKS, name, "task", Reason.UNKNOWN_TASK).TASK
    return task


def task_of(selection: TaskSelection) -> Task:
    """Return the task that a solve has selected; `InvalidInput` if there is none, or its definition is wrong."""
    return find_task(selection.name) if selection.definition is None else define_task(selection.definition)


@lru_cache(maxsize=64)
def define_task(definition: TaskDefinition) -> Task:
    """Return a task without code; `InvalidInput` says what is wrong with its definition."""
    from services.tasks._prompts import make_task

    return make_task(definition)


def find_strategy(name: str) -> ModuleType:
    """Return the module of the strategy of this name; `InvalidInput` names those that there are."""
    return _load_known(STRATEGIES, name, "strategy", Reason.UNKNOWN_STRATEGY)


def _load_known(kind: Kind, name: str, field: str, reason: Reason) -> ModuleType:
    try:
        return kind.load(name)
    except KeyError as error:
        known = ", ".join(kind.names())
        raise InvalidInput(
            f"there is no {field} {name[:64]!r}; there are: {known}", field=field, reason=reason
        ) from error
