"""The real supervisor, which starts the stand-in instead of the trainer.

python -m soak.stand_in_supervisor RUN_FOLDER DEVICES
"""

import runpy
import subprocess


class Popen(subprocess.Popen):
    """Starts the stand-in instead of the trainer."""

    def __init__(self, command, **options):
        super().__init__(["soak.stand_in" if word == "trainer.engine" else word for word in command], **options)


if __name__ == "__main__":
    subprocess.Popen = Popen
    runpy.run_module("trainer.run.supervisor", run_name="__main__")
