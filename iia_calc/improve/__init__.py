"""Closing the loop: search, DFT labels, training, again.

settings.py    what the loop was asked for
candidates.py  searches with the present potential, and what they met
sources.py     wells that other methods find; shapes.py: shapes of the literature
select.py      which of it is worth a label
labelling.py   the labels in the loop's folder
loop.py        the rounds, with their state on disk
measure.py     what a round was worth
report.py      progress as a table and a figure
"""

from iia_calc.improve.loop import Loop
from iia_calc.improve.measure import RoundReport
from iia_calc.improve.settings import LoopSettings

__all__ = ["Loop", "LoopSettings", "RoundReport"]
