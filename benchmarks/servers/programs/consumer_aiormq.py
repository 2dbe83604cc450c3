"""The bare aiormq loop: does what `consumer.py` does, one layer below aio-pika."""

import asyncio
import json
import sys
import time

import aiormq
import uvloop
from aiormq.abc import DeliveredMessage

PREFETCH, ACK_EVERY = 2_000, 500


async def main(url: str, queue_name: str, wanted: int) -> None:
    """Consume so many messages from the beginning and print how long it took."""
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=False)
    await channel.basic_qos(prefetch_count=PREFETCH)
    done = asyncio.get_running_loop().create_future()
    began = count = events = 0
    cpu = 0.0

    async def take(message: DeliveredMessage) -> None:
        nonlocal began, count, events, cpu
        if not count:
            began, cpu = time.monotonic_ns(), time.process_time()
        body = json.loads(message.body)
        events += len(body) if isinstance(body, list) else 1
        count += 1
        if count % ACK_EVERY == 0:
            await channel.basic_ack(message.delivery_tag or 0, multiple=True, wait=False)
        if count == wanted:
            done.set_result(None)

    await channel.basic_consume(queue_name, take, arguments={"x-stream-offset": "first"})
    await done
    seconds = (time.monotonic_ns() - began) / 1e9
    print(json.dumps({"events": events, "seconds": seconds, "cpu": time.process_time() - cpu}))
    await connection.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
