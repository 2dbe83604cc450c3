"""The bare aio-pika loop: reads a stream, decodes each body, acknowledges every 500, and does nothing with it."""

import asyncio
import json
import sys
import time

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage

PREFETCH, ACK_EVERY = 2_000, 500


async def main(url: str, queue_name: str, wanted: int) -> None:
    """Consume so many messages from the beginning and print how long it took."""
    connection = await aio_pika.connect(url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=PREFETCH)
    queue = await channel.get_queue(queue_name, ensure=False)
    done = asyncio.get_running_loop().create_future()
    began = count = events = 0
    cpu = 0.0

    async def take(message: AbstractIncomingMessage) -> None:
        nonlocal began, count, events, cpu
        if not count:
            began, cpu = time.monotonic_ns(), time.process_time()
        body = json.loads(message.body)
        events += len(body) if isinstance(body, list) else 1
        count += 1
        if count % ACK_EVERY == 0:
            await message.ack(multiple=True)
        if count == wanted:
            done.set_result(None)

    await queue.consume(take, arguments={"x-stream-offset": "first"})
    await done
    seconds = (time.monotonic_ns() - began) / 1e9
    print(json.dumps({"events": events, "seconds": seconds, "cpu": time.process_time() - cpu}))
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
