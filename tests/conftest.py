"""Lets tests share the helpers that lie beside this file (tests/clusters.py, tests/physics/contract.py)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
