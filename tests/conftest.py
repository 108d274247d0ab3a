"""Lets tests share the helpers that lie beside this file (tests/clusters.py, tests/physics/contract.py)."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# A job started in the background of a shell ignores SIGINT, and so would every search that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
