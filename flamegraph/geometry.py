"""Sizes all parts of a picture agree on, in pixels. The viewer's script holds the same numbers."""

from __future__ import annotations

PAD = 10
ROW = 16
#: What a character of a monospace label takes at eleven pixels, and the margin at either end of a label.
CELL = 6.65
LABEL_PAD = 3
LEAST_LABEL = 2 * LABEL_PAD + 4 * CELL
#: Characters of the title and of other lines, which are proportional: on the safe side.
TITLE_CELL = 11.0
LINE_CELL = 7.3
LINE = 15
#: Room at the right of the title for the controls that the script adds.
TOOLS = 300
#: Frames at least this wide leave a gap to the next one; narrower ones would vanish in it.
GAPPED = 3
LEAST_WIDTH = 200
