"""What a newcomer tries next: the commands, and what each is for. A test runs them as they stand here."""

from __future__ import annotations

START = "make up", "RabbitMQ, the engine and the consumer, in the background"

TOUR = [
    ("make call OP=topology", "one request and its reply"),
    (
        """make call OP=create-instance DATA='{"bpmnProcessId": "order", "variables": {"orderId": "7"}}'""",
        "start an instance of examples/order.bpmn",
    ),
    ('eval "$(make -s env)"', "from here on this shell knows the addresses"),
    (
        "JOB=$(.venv/bin/zeebe-amqp activate-jobs reserve-items --max-jobs-to-activate 1 | grep -o '[0-9]*' | head -1)",
        "be its worker: take its first job, and keep the job's key",
    ),
    (".venv/bin/zeebe-amqp complete-job $JOB --variables '{\"reserved\": true}'", "the job is done"),
    (".venv/bin/zeebe-amqp publish-message order-paid --correlation-key 7", "the message that the order waits for now"),
    (".venv/bin/zeebe-amqp complete-job 1 --forget", "a mistake, and nobody who waits for an answer:"),
    (".venv/bin/zeebe-amqp-consumer dead list", "the dead letter that it becomes"),
]

END = "make down", "stop everything; queues and messages stay for the next `make up`"


def text(*, up: bool) -> str:
    """The commands as a script to paste into a shell; `up`: everything runs already."""
    steps = [*([] if up else [START]), *TOUR, END]
    return "\n".join(["Try next:", *(f"  # {purpose}\n  {command}" for command, purpose in steps)])
