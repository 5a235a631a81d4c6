"""The colours of every figure and page, on white and in the dark.

Each stands out from its ground (contrast of 3 at least), and any two can be told apart by people
who lack one kind of cone; a test holds them to both. Marks differ as well. The first two are of
Okabe and Ito (2008); the others were searched for around them.
"""
GROUND, INK, MUTED = "#FFFFFF", "#000000", "#808080"
COLOURS = ("#0072B2", "#D55E00", "#0AA35A", "#7A0F5A", "#A45CFF", "#333333")
MARKS = "osD^vP"
ON_TINT = "#1C2127"  # text on a field of a matrix, which is light in the dark, too

# In the dark each colour is replaced by the one at its place.
DARK_GROUND, DARK_INK, DARK_MUTED = "#14181D", "#E4E8EC", "#8A949E"
DARK_COLOURS = ("#56A8E8", "#F08A45", "#20F59A", "#DB2456", "#B93DFF", "#E2C30A")
DARK = dict(zip((GROUND, INK, MUTED, *COLOURS),
                (DARK_GROUND, DARK_INK, DARK_MUTED, *DARK_COLOURS), strict=True))


def colour(number: int) -> str:
    """The colour of the series at a place; they repeat after the last."""
    return COLOURS[number % len(COLOURS)]


def mark(number: int) -> str:
    """The mark of the series at a place, in matplotlib's letters."""
    return MARKS[number % len(MARKS)]
