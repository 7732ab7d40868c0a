"""The real supervisor, which starts the stand-in instead of the trainer.

python -m soak.stand_in_supervisor RUN_FOLDER DEVICES
"""

import runpy
import subprocess
from typing import Any


class Popen(subprocess.Popen[Any]):
    """Starts the stand-in instead of the trainer."""

    def __init__(self, command: list[str], **options: Any) -> None:
        super().__init__(["soak.stand_in" if word == "trainer.engine" else word for word in command], **options)


if __name__ == "__main__":
    setattr(subprocess, "Popen", Popen)  # noqa: B010 - a type checker takes it for a type
    runpy.run_module("trainer.run.supervisor", run_name="__main__")
