"""The limit of processor time: a new one for each request, also in a process that has computed for long."""

import signal
import subprocess
import sys

from trainer.system import limited_process

BURN = """
import sys, time
from trainer.system import limited_process

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

for _ in range(6):  # more than the limit together, and far less each time
    limited_process.limit_processor(1.5)
    burn(0.4)
print("done", flush=True)
burn(60)
"""


def test_each_request_has_the_whole_limit_and_one_that_computes_for_longer_is_ended():
    process = subprocess.run([sys.executable, "-c", BURN], capture_output=True, text=True)
    assert process.stdout == "done\n" and process.returncode == -signal.SIGPROF
    assert limited_process.describe_exit(process.returncode) == "it computed for too long"


def test_the_limit_leaves_no_absolute_one():
    """RLIMIT_CPU is counted in ticks, which run fast on a busy machine and add up over the life of a process."""
    script = (
        "import resource; from trainer.system import limited_process; limited_process.limit_processor(5); "
        "print(resource.getrlimit(resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY)"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert process.stdout == "True\n", process.stderr
