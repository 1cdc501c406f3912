"""Exact arithmetic: numbers as they are written, and expressions, parsed here and never evaluated as code."""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

MAX_EXPRESSION_LENGTH = 200
MAX_EXPRESSION_DEPTH = 16
MAX_EXPRESSION_NUMBERS = 16
MAX_DIGITS = 9

OPERATORS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}

_DIGITS = rf"[0-9]{{1,{MAX_DIGITS}}}"
NUMBER = rf"-?{_DIGITS}(?:/{_DIGITS}|\.{_DIGITS})?"
_NUMBER = re.compile(NUMBER)


def show(number: Fraction) -> str:
    """Write a number: `8`, `-3` or `8/3`."""
    return str(number)


@lru_cache(maxsize=10_000)
def read(text: str) -> Fraction:
    """Read a number: `8`, `-3`, `8/3` or `2.5`. `ValueError` if it is none, or longer than `MAX_DIGITS` allows."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is no number")
    try:
        return Fraction(text)
    except ZeroDivisionError as error:
        raise ValueError(f"{text} divides by zero") from error


def shows(text: str, number: Fraction) -> bool:
    """Tell whether `text` is how `number` may be written: exactly, or as a decimal rounded to the digits it has."""
    written = read(text)
    if written == number:
        return True
    _, point, digits = text.partition(".")
    return bool(point) and len(digits) > 1 and abs(number - written) * 10 ** len(digits) <= Fraction(1, 2)


class ExpressionError(ValueError):
    """The text is no expression, or one past the limits."""


_TOKEN = re.compile(rf"\s*(?:({_DIGITS})|([-+*/()]))")


def evaluate(expression: str) -> tuple[Fraction, list[int]]:
    """Return the value of an expression of whole numbers, + - * / and parentheses, and its numbers in order.

    Raises `ExpressionError` for anything else, a division by zero, and whatever is longer than
    `MAX_EXPRESSION_LENGTH`, nested deeper than `MAX_EXPRESSION_DEPTH` or has more than `MAX_EXPRESSION_NUMBERS`.
    """
    if len(expression) > MAX_EXPRESSION_LENGTH:
        raise ExpressionError(f"longer than {MAX_EXPRESSION_LENGTH} characters")
    parser = _Parser(_tokens(expression))
    value = parser.sum(0)
    if parser.peek() is not None:
        raise ExpressionError(f"unexpected {parser.peek()}")
    return value, parser.numbers


def _tokens(expression: str) -> list[str]:
    tokens, position, text = [], 0, expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"unexpected {text[position:].lstrip()[:10]!r}")
        tokens.append(match[1] or match[2])
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent: sum = product {+- product}; product = atom {*/ atom}; atom = number or ( sum )."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0
        self.numbers: list[int] = []

    def peek(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _take(self) -> str:
        token = self.peek()
        if token is None:
            raise ExpressionError("ends too early")
        self._position += 1
        return token

    def sum(self, depth: int) -> Fraction:
        return self._chain(("+", "-"), lambda: self._chain(("*", "/"), lambda: self._atom(depth)))

    def _chain(self, operators: tuple[str, ...], operand: Callable[[], Fraction]) -> Fraction:
        value = operand()
        while self.peek() in operators:
            operator = self._take()
            right = operand()
            if operator == "/" and right == 0:
                raise ExpressionError("divides by zero")
            value = OPERATORS[operator](value, right)
        return value

    def _atom(self, depth: int) -> Fraction:
        word = self._take()
        if word == "(":
            if depth >= MAX_EXPRESSION_DEPTH:
                raise ExpressionError(f"nested deeper than {MAX_EXPRESSION_DEPTH}")
            value = self.sum(depth + 1)
            if self._take() != ")":
                raise ExpressionError("a parenthesis is not closed")
            return value
        if not word.isdigit():
            raise ExpressionError(f"unexpected {word}")
        if len(self.numbers) >= MAX_EXPRESSION_NUMBERS:
            raise ExpressionError(f"more than {MAX_EXPRESSION_NUMBERS} numbers")
        self.numbers.append(int(word))
        return Fraction(int(word))
