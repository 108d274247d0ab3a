"""How tests start the command: in a process of its own, as a user does."""

from __future__ import annotations

import os
import sys

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "NO_COLOR": "1"}
IIA = [sys.executable, "-c", "from iia_calc.cli import main; main()"]
