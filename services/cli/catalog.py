"""`kot tasks` and `kot strategies`: what a server knows, as tables."""

from rich.console import Console
from rich.table import Table

from services.cli.client import connect
from services.rpc.gen.kubeofthoughts.v1 import orchestrator_service_pb2 as wire


async def show_tasks(console: Console, target: str | None) -> None:
    """Print the tasks that a server can solve."""
    async with connect(target, with_model=False) as client:
        answer: wire.ListTasksResponse = await client.ask(client.stub.ListTasks(wire.ListTasksRequest()))
    table = Table("task", "what it is", "example", "depth")
    for task in answer.tasks:
        table.add_row(task.name, task.summary, task.example, str(task.depth))
    console.print(table)


async def show_strategies(console: Console, target: str | None) -> None:
    """Print the strategies that a server has, and what can be set."""
    async with connect(target, with_model=False) as client:
        answer: wire.ListStrategiesResponse = await client.ask(client.stub.ListStrategies(wire.ListStrategiesRequest()))
    for strategy in answer.strategies:
        title = f"{strategy.name}: {strategy.summary}"
        if not strategy.settings:
            console.print(title, style="italic")
            continue
        table = Table("setting", "default", "range", "what it does", title=title, title_justify="left")
        for setting in strategy.settings:
            table.add_row(setting.name, _default(setting), _range(setting), setting.text)
        console.print(table)


def _default(setting: wire.SettingDescription) -> str:
    if setting.type == "bool":
        return str(setting.default.bool_value).lower()
    return f"{setting.default.number_value:g}"


def _range(setting: wire.SettingDescription) -> str:
    if setting.type == "bool":
        return "true, false"
    low = f"{setting.minimum:g}" if setting.HasField("minimum") else ""
    high = f"{setting.maximum:g}" if setting.HasField("maximum") else ""
    return f"{low} to {high} ({setting.type})"
