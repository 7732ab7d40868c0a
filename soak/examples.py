"""Examples of the state machine, with a stand-in for the trainer and with the real trainer."""

import itertools

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from soak.machine import Machine
from soak.promise import Measurement


class RealMachine(Machine):
    """The same with the real trainer."""

    stand_in = False
    start_seconds = 6.0
    finish_seconds = 120.0


def play(machine: type[Machine], examples: int, steps: int) -> Measurement:
    """Run examples of the state machine; raises the error of the first that fails."""
    steps_done = itertools.count()

    class Counted(machine):  # type: ignore[valid-type, misc]
        def check(self) -> None:
            next(steps_done)
            super().check()

    house = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    run_state_machine_as_test(Counted, settings=house)
    return Measurement(examples, figures=f"state looked at {next(steps_done):,} times")


def measure(count: int = 60) -> Measurement:
    """`count` examples with the stand-in, and a tenth as many with the trainer."""
    fast, real = play(Machine, count, 25), play(RealMachine, max(1, count // 10), 15)
    return Measurement(fast.count + real.count, figures=f"{real.count} of them with the real trainer; {fast.figures}")
