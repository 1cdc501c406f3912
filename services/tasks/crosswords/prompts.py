"""What mini crosswords ask of a language model, in two styles.

`PromptStyle.FEW_SHOT` is for general models: what the paper asks for, with crosswords of our own as examples.
`PromptStyle.BARE` is the same format without them, for a model that was trained on it; the embedded one was not. The
clues come first, since they stay the same throughout a search, and the letters last, so that an engine's prefix cache
is reused.
"""

from services.core.task import PromptStyle
from services.tasks.crosswords.puzzle import PLACES, Clues, word_at

_RULES = """\
Solve a crossword of 5 by 5 letters without black cells: each word is a word of English of exactly five letters. \
h1 to h5 are the words across, from top to bottom, and v1 to v5 the words down, from left to right: \
the second letter of h1 is the first letter of v2.
"""

_ROVER = """\
Clues:
h1. Plank
h2. Mistake
h3. Over
h4. What a watch tells, more than once
h5. They shine at night
v1. Rhythms of a drummer
v2. Path of a moon
v3. Pleasant smell
v4. Vehicle on Mars
v5. Gown
"""

_APPLE = """\
Clues:
h1. Fruit that pies are made of
h2. To unwind
h3. To rub out
h4. Kinder
h5. Wide awake
v1. Where gladiators fought
v2. Danger
v3. To put down
v4. Beam of light
v5. To strain oneself
"""

_PROPOSE = (
    _RULES
    + f"""\
Each line is one possible next step: a word for a clue that has letters missing, and how sure you are \
(certain/high/medium/low). Letters that are there stay as they are. Begin with what you are most sure of; \
a clue may have several lines. Write "certain" only where no other word can be meant.

{_ROVER}\
Letters:
h1. B O A R D
h2. _ _ _ _ _
h3. _ _ _ _ _
h4. _ _ _ _ _
h5. _ _ _ _ _
v1. B _ _ _ _
v2. O _ _ _ _
v3. A _ _ _ _
v4. R _ _ _ _
v5. D _ _ _ _
Possible next steps:
v2. ORBIT (certain)
v3. AROMA (high)
v5. DRESS (high)
h5. STARS (high)
v1. BEATS (medium)
h3. ABOVE (medium)
v4. ROVER (medium)
h2. ERROR (medium)
h2. FAULT (low)
h4. HOURS (low)

{_APPLE}\
Letters:
h1. _ _ _ _ _
h2. _ _ _ _ _
h3. _ _ _ _ _
h4. _ _ _ _ _
h5. _ _ _ _ _
v1. _ _ _ _ _
v2. _ _ _ _ _
v3. _ _ _ _ _
v4. _ _ _ _ _
v5. _ _ _ _ _
Possible next steps:
v1. ARENA (high)
h1. APPLE (high)
h4. NICER (high)
h3. ERASE (high)
v4. LASER (high)
h5. ALERT (medium)
h2. RELAX (medium)
v2. PERIL (medium)
h1. PEACH (low)
h1. LEMON (low)

"""
)

_VALUE = f"""\
Evaluate if a crossword of 5 by 5 letters can be completed (sure/likely/impossible). \
For each clue that has some letters, and some missing, name a word of English of five letters that fits both; \
? if you know none, and none if there cannot be one. \
The last line is the label: impossible where there is a none or a full word is wrong, sure where every word is found.

{_ROVER}\
Letters:
h1. B O A R D
h2. E R R O R
h3. _ _ _ _ _
h4. _ _ _ _ _
h5. _ _ _ _ _
v1. B E _ _ _
v2. O R _ _ _
v3. A R _ _ _
v4. R O _ _ _
v5. D R _ _ _
v1. BEATS
v2. ORBIT
v3. AROMA
v4. ROVER
v5. DRESS
sure

{_APPLE}\
Letters:
h1. A P P L E
h2. S L E E P
h3. _ _ _ _ _
h4. _ _ _ _ _
h5. _ _ _ _ _
v1. A S _ _ _
v2. P L _ _ _
v3. P E _ _ _
v4. L E _ _ _
v5. E P _ _ _
v1. none
v2. none
v3. ?
v4. none
v5. none
impossible

{_APPLE}\
Letters:
h1. _ _ _ _ _
h2. _ _ _ _ _
h3. E R A S E
h4. _ _ _ _ _
h5. _ _ _ _ _
v1. _ _ E _ _
v2. _ _ R _ _
v3. _ _ A _ _
v4. _ _ S _ _
v5. _ _ E _ _
v1. ARENA
v2. PERIL
v3. PLACE
v4. LASER
v5. ?
likely

"""

_CHAIN = (
    _RULES
    + f"""\
Each step is a word; the answer is the full board, row by row.

{_ROVER}\
Steps:
h1. BOARD
v2. ORBIT
h2. ERROR
v5. DRESS
v1. BEATS
h5. STARS
h3. ABOVE
h4. TIMES
Answer: BOARD ERROR ABOVE TIMES STARS

"""
)

_DIRECT = (
    _RULES
    + f"""\
The answer is the full board, row by row.

{_ROVER}\
Letters:
h1. B O A R D
h2. _ _ _ _ _
h3. _ _ _ _ _
h4. _ _ _ _ _
h5. _ _ _ _ _
v1. B _ _ _ _
v2. O _ _ _ _
v3. A _ _ _ _
v4. R _ _ _ _
v5. D _ _ _ _
Answer: BOARD ERROR ABOVE TIMES STARS

"""
)

_VALIDATE = """\
Check a crossword that was filled in. Each word has to be a word of English and has to be what its clue asks for. \
Name the words that are wrong in one line. Then write one word on a line of its own: certain, if all ten are right, \
or impossible.

Words:
h1. Plank: BOARD
h2. Mistake: ERROR
h3. Over: ABOVE
h4. What a watch tells, more than once: TIMES
h5. They shine at night: STARS
v1. Rhythms of a drummer: BEATS
v2. Path of a moon: ORBIT
v3. Pleasant smell: AROMA
v4. Vehicle on Mars: ROVER
v5. Gown: DRESS
Verdict:
all are right
certain

Words:
h1. Fruit that pies are made of: APPLE
h2. To unwind: RELAX
h3. To rub out: ERASE
h4. Kinder: RICER
h5. Wide awake: ALERT
v1. Where gladiators fought: ARERA
v2. Danger: PERIL
v3. To put down: PLACE
v4. Beam of light: LASER
v5. To strain oneself: EXERT
Verdict:
RICER is not kinder, ARERA is no word
impossible

"""


def propose(clues: Clues, board: str, style: PromptStyle) -> str:
    """Ask for words to fill in."""
    if style is PromptStyle.BARE:
        return f"{_show(clues)}{_letters(board)}Next:\n"
    return f"{_PROPOSE}{_show(clues)}{_letters(board)}Possible next steps:\n"


def value(clues: Clues, board: str, style: PromptStyle) -> str:
    """Ask whether the board can be completed: the label is the first token (bare) or the last line (few-shot)."""
    if style is PromptStyle.BARE:
        return f"{_show(clues)}{_letters(board)}Value:"
    return f"{_VALUE}{_show(clues)}{_letters(board)}"


def chain(clues: Clues, steps: tuple[str, ...], style: PromptStyle) -> str:
    """Ask to go on from `steps` to the line `Answer: ROWS`."""
    tail = "".join(f"{step}\n" for step in steps)
    return f"{'' if style is PromptStyle.BARE else _CHAIN}{_show(clues)}Steps:\n{tail}"


def direct(clues: Clues, board: str, style: PromptStyle) -> str:
    """Ask for the full board at once."""
    return f"{'' if style is PromptStyle.BARE else _DIRECT}{_show(clues)}{_letters(board)}Answer:"


def validate(clues: Clues, board: str, style: PromptStyle) -> str:
    """Ask whether each word fits its clue: the verdict is the first token (bare) or the last line (few-shot)."""
    words = "".join(f"{name}. {clue}: {word_at(board, name)}\n" for name, clue in clues.items())
    end = "" if style is PromptStyle.BARE else "\n"
    return f"{'' if style is PromptStyle.BARE else _VALIDATE}Words:\n{words}Verdict:{end}"


def _show(clues: Clues) -> str:
    return "Clues:\n" + "".join(f"{name}. {clue}\n" for name, clue in clues.items())


def _letters(board: str) -> str:
    """Show each word letter by letter: as one word, a model would see other tokens and no letters."""
    return "Letters:\n" + "".join(f"{name}. {' '.join(word_at(board, name))}\n" for name in PLACES)
