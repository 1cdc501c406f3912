"""Crosswords of 5 by 5 letters without black cells: ten words by ten clues (Yao et al. 2023, section 4.3)."""

from services.tasks.crosswords.task import Crosswords

TASK = Crosswords()
