"""Speaks to a Wyoming server as Home Assistant does: `python -m tests.wake_client URI WAV [NAME ...]`.

With the real client library it plays a WAV file as fast as the server hears it and prints a line of JSON for each event
that comes back.
"""

import argparse
import asyncio
import json
import wave

from wyoming.audio import AudioStop, wav_to_chunks
from wyoming.client import AsyncClient
from wyoming.info import Describe, Info
from wyoming.wake import Detect


async def play(client: AsyncClient, options: argparse.Namespace) -> None:
    await client.write_event(Detect(names=options.names or None).event())
    for _ in range(options.times):
        with wave.open(options.wav) as file:
            for part in wav_to_chunks(file, options.samples, options.timestamp, start_event=True):
                part.timestamp = part.timestamp if options.timestamp else None
                await client.write_event(part.event())
        await client.write_event(AudioStop().event())
    await client.write_event(Describe().event())  # answered when all of the audio is heard


async def main(options: argparse.Namespace) -> None:
    async with AsyncClient.from_uri(options.uri) as client:
        playing = asyncio.create_task(play(client, options))
        while (event := await client.read_event()) and not Info.is_type(event.type):
            print(json.dumps({"type": event.type, **event.data}), flush=True)
        print(json.dumps(event.data if event else None))
        playing.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("wav")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--timestamp", type=int, default=0, help="of the first chunk; 0: none")
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--times", type=int, default=1)
    asyncio.run(main(parser.parse_args()))
