"""Signals at awkward moments: none is lost, none shows a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli_process import ENVIRONMENT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
IN_A_FINALISER = """
import os, signal, time
from iia_calc.cli.streams import exit_code, prepare_signals

prepare_signals()

class Freed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass

try:
    freed = Freed()
    del freed
    time.sleep(5)
    print("lost")
except KeyboardInterrupt:
    print("came", exit_code())
"""
BEFORE_A_COMMAND = """
import os, signal, sys
import iia_calc.cli as cli

def app(**_):
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        pass

cli.app = app
cli.main()
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_signal_that_comes_while_an_object_is_freed_is_not_lost():
    done = run(IN_A_FINALISER)
    assert (done.stdout.split(), done.stderr) == (["came", "143"], "")


def test_a_signal_before_the_command_begins_shows_no_traceback():
    done = run(BEFORE_A_COMMAND)
    assert (done.returncode, done.stderr) == (143, "interrupted\n")
