"""Stands in for a trial in which a native library crashes."""

import os
import signal
import sys

sys.stdin.buffer.read()
os.kill(os.getpid(), signal.SIGSEGV)
