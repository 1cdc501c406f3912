"""Sorting by parts: split a list, sort the parts, merge them, fix what went wrong."""

from services.tasks.sorting.task import Sorting

TASK = Sorting()
