"""Plug-ins: found by file name or entry point, imported only when asked for."""

import sys

import pytest

from services.core.task import Task
from services.plugins import STRATEGIES, TASKS, Kind

GROUP = "kube_of_thoughts.tasks"


@pytest.fixture
def outsider(tmp_path, monkeypatch):
    """An installed distribution of someone else: modules, and entry points that name them."""
    info = tmp_path / "toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\ntoy = toy_task\nno_module = toy_task:TASK\nbroken = toy_that_is_not_there\ngame24 = toy_task\n"
    )
    (tmp_path / "toy_task.py").write_text("TASK = 'a toy'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("toy_task", None)


def test_what_ships_is_found_by_the_name_of_its_file():
    assert {"countdown", "game24", "sorting", "sudoku"} <= set(TASKS.names())
    assert not any(name.startswith("_") for name in TASKS.names())
    assert {"bfs", "dfs"} <= set(STRATEGIES.names())
    assert TASKS.names() == sorted(TASKS.names())


def test_a_task_and_a_strategy_have_what_their_kind_promises():
    task: Task = TASKS.load("game24").TASK
    assert task.name == "game24"
    for name in STRATEGIES.names():
        module = STRATEGIES.load(name)
        assert module.Policy("root", module.Settings()).best() == "root"


def test_an_entry_point_is_listed_without_an_import_and_imported_when_asked_for(outsider):
    assert "toy" in TASKS.names()
    assert "toy_task" not in sys.modules
    assert TASKS.load("toy").TASK == "a toy"
    assert "toy_task" in sys.modules


def test_the_name_of_what_ships_cannot_be_taken_by_an_outsider(outsider):
    assert TASKS.names().count("game24") == 1
    assert TASKS.load("game24").__name__ == "services.tasks.game24"


def test_an_entry_point_must_name_a_module(outsider):
    with pytest.raises(TypeError, match="no_module"):
        TASKS.load("no_module")


def test_an_entry_point_that_does_not_import_says_so(outsider):
    with pytest.raises(ModuleNotFoundError, match="toy_that_is_not_there"):
        TASKS.load("broken")


@pytest.mark.parametrize("name", ["chess", "", "game24.prompts", "..game24", "__init__"])
def test_an_unknown_name_is_a_key_error(name):
    with pytest.raises(KeyError):
        TASKS.load(name)


def test_modules_that_begin_with_an_underscore_are_private(tmp_path, monkeypatch):
    package = tmp_path / "toy_package"
    package.mkdir()
    for name in ("__init__", "_private", "public"):
        (package / f"{name}.py").write_text("raise RuntimeError\n" if name != "__init__" else "")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Kind("toy_package", "kube_of_thoughts.toys").names() == ["public"]
    sys.modules.pop("toy_package", None)
