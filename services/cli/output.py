"""Where a command writes what may be long: a file, or standard output."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from services.cli.bench import check_writable
from services.core.errors import InvalidInput


class Output:
    """Lines of text for a file, which is made when the first comes, or for standard output."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self.lines = 0
        """How many were written."""

    def write(self, line: str) -> None:
        """Write one line."""
        if self._file is None:
            self._file = sys.stdout if self._path is None else self._path.open("w", encoding="utf-8")
        self._file.write(line)
        self._file.write("\n")
        self.lines += 1

    def close(self) -> None:
        """Have all of it written."""
        if self._file is not None and self._path is not None:
            self._file.close()
        elif self._file is not None:
            self._file.flush()


@contextmanager
def output_to(path: Path | None) -> Iterator[Output]:
    """Give an output; raises `InvalidInput` if the file cannot be written, at once where that is clear."""
    if path is None:
        output = Output(None)
        yield output
        output.close()
        return
    check_writable(path)
    output = Output(path)
    try:
        try:
            yield output
        finally:
            output.close()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
