"""The command `wyoming`: a wake word server for Home Assistant."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from trainer.cli.model import model_path
from trainer.cli.terminal import Session, complain
from trainer.system import display_text

if TYPE_CHECKING:
    from trainer.detector.wake_session import Hit

DEFAULT_URI = "tcp://127.0.0.1:10400"
"""The port that Home Assistant's own wake word server has."""


@click.command()
@click.argument("names", metavar="MODEL...", nargs=-1, required=True)
@click.option("--uri", default=DEFAULT_URI, show_default=True, help="Where to listen: tcp://HOST:PORT or unix:///PATH.")
@click.option("--zeroconf", "discovery", is_flag=True, help="Let Home Assistant find the server by itself.")
@click.pass_obj
def wyoming(session: Session, names: tuple[str, ...], uri: str, discovery: bool) -> None:
    """Listen for Home Assistant with each MODEL: a run, a model folder or an .onnx file.

    A server that speaks the Wyoming protocol. It hears what `detect` hears, for any number of clients, until Ctrl-C.
    Other machines reach it only with --uri tcp://0.0.0.0:10400 or another address of this machine; the protocol has no
    password. It prints each detection; with --json each line is a document.
    """
    from trainer.detector import detector, wyoming_client, wyoming_server  # onnxruntime takes a third of a second

    where = wyoming_server.address(uri)
    if discovery:
        wyoming_server.check_discovery(where)
    loaded = [detector.load(model_path(session.workspace, name), threads=1) for name in names]
    models = wyoming_client.named(loaded)
    words = " and ".join(each.file.label for each in loaded)

    def ready(reached: str) -> None:
        complain(f"Listening for {words} on {reached}. Press Ctrl-C to stop.")
        if not where.is_local:
            complain("Other machines can connect: use it in a network that you trust, as Wyoming has no password.")

    def announce(client: str, hit: Hit | str) -> None:
        if isinstance(hit, str):
            complain(f"A client is disconnected{client and f' ({client})'}: {hit}")
            return
        time, score = hit.detection
        document = {"name": hit.name, "time": round(time, 3), "score": score, "timestamp": hit.timestamp}
        line = f"{hit.name}  {time:9.2f} s  {score:.4f}  detected{client and f' for {client}'}"
        with suppress(OSError):  # clients are served also when nobody reads this
            click.echo(
                display_text.to_json(document | {"client": client}) if session.as_json else display_text.clean(line)
            )

    with suppress(KeyboardInterrupt):
        asyncio.run(wyoming_server.serve(models, where, announce, ready, discovery))


VERBS = (wyoming,)
