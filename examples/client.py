"""A caller with the client: `python examples/client.py amqp://guest:guest@127.0.0.1:5672`."""

import asyncio
import sys

from zeebe_amqp import Client, CreateInstance


async def main(url: str) -> None:
    async with Client(url) as zeebe:
        created = await zeebe.call(CreateInstance(bpmn_process_id="order", variables={"orderId": 7}))
        print(created.process_instance_key)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
