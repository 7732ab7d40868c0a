"""The supervisor as it is, but that it starts the stand-in for the trainer.

python -m soak.stand_in_supervisor RUN_FOLDER DEVICES
"""

import runpy
import subprocess


class Popen(subprocess.Popen):
    """Starts the stand-in where the trainer is asked for."""

    def __init__(self, command, **named):
        super().__init__(["soak.stand_in" if word == "trainer.engine" else word for word in command], **named)


if __name__ == "__main__":
    subprocess.Popen = Popen
    runpy.run_module("trainer.run.supervisor", run_name="__main__")
