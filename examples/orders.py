"""A web service that starts a process: `AMQP_URL=amqp://… uvicorn --app-dir examples orders:app`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from zeebe_amqp import Client, CommandError, CreateInstance, Retryable


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    async with Client(os.environ["AMQP_URL"]) as app.state.zeebe:
        yield


app = FastAPI(lifespan=connected)


@app.post("/orders/{order}")
async def start(order: str, request: Request) -> dict[str, str]:
    create = CreateInstance(bpmn_process_id="order", variables={"orderId": order})
    created = await request.app.state.zeebe.call(create, request_id=f"order-{order}", timeout=10)
    return {"instance": str(created.process_instance_key)}


@app.exception_handler(CommandError)
async def failed(request: Request, error: CommandError) -> JSONResponse:
    status = 503 if isinstance(error, Retryable) else 502
    return JSONResponse({"code": error.code, "message": error.message, "outcome": error.outcome}, status)
