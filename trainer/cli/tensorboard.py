"""The verb of the command line about TensorBoard."""

from __future__ import annotations

import click

from trainer.cli.terminal import Session, show
from trainer.run import tensorboard


@click.command(name="tensorboard")
@click.option("--stop", is_flag=True, help="End it.")
@click.pass_obj
def tensorboard_verb(session: Session, stop: bool) -> None:
    """Start TensorBoard for all runs on 127.0.0.1, where none runs yet, and print its address."""
    if stop:
        ended = tensorboard.stop(session.workspace)
        show(session, {"stopped": ended}, "TensorBoard has ended." if ended else "No TensorBoard runs.")
        return
    tensorboard.start(session.workspace)
    address = tensorboard.wait(session.workspace).address
    by_hand = tensorboard.command(session.workspace)
    text = f"TensorBoard: {address}\nEnd it with: python -m trainer tensorboard --stop\nBy hand: {by_hand}"
    show(session, {"address": address, "command": by_hand}, text)


VERBS = (tensorboard_verb,)
