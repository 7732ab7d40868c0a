"""Examples of the state machine, as many as asked for: with a stand-in for the trainer and with the trainer itself."""

import itertools

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from soak.machine import Machine
from soak.promise import Found


class RealMachine(Machine):
    """The same with the trainer itself."""

    stand_in = False
    start_seconds = 6.0
    finish_seconds = 120.0


def play(machine: type[Machine], examples: int, steps: int) -> Found:
    """So many examples of so many steps; raises what the first one that fails raises."""
    steps_done = itertools.count()

    class Counted(machine):
        def check(self) -> None:
            next(steps_done)
            super().check()

    house = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    run_state_machine_as_test(Counted, settings=house)
    return Found(examples, figures=f"state looked at {next(steps_done):,} times")


def measure(count: int = 60) -> Found:
    """So many examples with the stand-in, and a tenth of them with the trainer."""
    found, real = play(Machine, count, 25), play(RealMachine, max(1, count // 10), 15)
    return Found(found.count + real.count, figures=f"{real.count} of them with the real trainer; {found.figures}")
