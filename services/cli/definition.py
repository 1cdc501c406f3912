"""A class of problems without code, from a YAML file: its keys are the fields of `TaskDefinition`."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path

import yaml

from services.core.errors import InvalidInput
from services.core.task import TaskDefinition
from services.plugins import define_task

MAX_BYTES = 100_000
"""Of the whole file."""

_KINDS = {str: "text", int: "a whole number"}
_KEYS = {field.name: field for field in fields(TaskDefinition)}
_TAG = "tag:yaml.org,2002:"


@cache
def read_definition(path: Path) -> TaskDefinition:
    """Return what a file defines; `InvalidInput` names the line and the key of what is wrong. A file is read once."""
    lines: dict[str, int] = {}
    values: dict[str, str | int] = {}
    for key, value in _items(path, _compose(path)):
        lines[key.value] = key.start_mark.line + 1
        values[key.value] = _read(path, key.value, value)
    missing = [name for name, field in _KEYS.items() if field.default is MISSING and name not in values]
    if missing:
        raise InvalidInput(f"{path} has no {', '.join(missing)}; its keys are: {_known()}")
    # The type of each value is that of its field.
    definition = TaskDefinition(**values)  # type: ignore[arg-type]
    try:
        define_task(definition)
    except InvalidInput as error:
        line = lines.get(error.field.removeprefix("definition."))
        raise InvalidInput(f"{path}, line {line}: {error}") from error
    return definition


def _compose(path: Path) -> yaml.Node | None:
    """Return the file as nodes that know their lines; nothing of it is made an object."""
    text = _read_text(path)
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        place = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidInput(f"{path}{place}: no YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidInput(f"{path}, line {line}: no YAML: {error.reason}") from error
    except RecursionError as error:
        raise InvalidInput(f"{path}: too deep for a mapping of prompts") from error


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{path} has more than {MAX_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidInput(f"{path}, line {line}: not UTF-8") from error


def _items(path: Path, root: yaml.Node | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """Yield the file's keys and values, each key once."""
    if not isinstance(root, yaml.MappingNode):
        raise InvalidInput(f"{path}: must be a mapping of {_known()}, not {_describe(root)}")
    seen: set[str] = set()
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.value not in _KEYS:
            name = repr(key.value[:32]) if isinstance(key, yaml.ScalarNode) else _describe(key)
            raise InvalidInput(f"{path}, line {line}: there is no key {name}; there are: {_known()}")
        if key.value in seen:
            raise InvalidInput(f"{path}, line {line}: {key.value} is there twice")
        seen.add(key.value)
        yield key, value


def _read(path: Path, key: str, node: yaml.Node) -> str | int:
    """Return a value of the type that its field has."""
    wanted = _KEYS[key].type
    if isinstance(node, yaml.ScalarNode):
        if wanted is str and node.tag == f"{_TAG}str":
            return str(node.value)
        digits = node.value.removeprefix("-")
        if wanted is int and node.tag == f"{_TAG}int" and digits.isdigit() and len(digits) < 10:
            return int(node.value)
    kind = _KINDS[str if wanted is str else int]
    line = node.start_mark.line + 1
    raise InvalidInput(f"{path}, line {line}: {key} must be {kind}, not {_describe(node)}")


def _describe(node: yaml.Node | None) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if node is None or not node.value:
        return "nothing"
    return f"{node.value[:32]!r} (quotes make text of it)" if node.tag != f"{_TAG}str" else repr(node.value[:32])


def _known() -> str:
    return ", ".join(_KEYS)
