"""What the dashboard shows, row by row; `scripts/dashboard.py` makes Grafana's JSON of it."""

from __future__ import annotations

from scripts.job_panels import JOBS
from scripts.panel import RATE, Panel, Section, gauges, quantiles, rates, stat

PROMISES = Section(
    "The promises: no reply lost, no doubt left, nothing forgotten",
    (
        stat(
            "Replies not delivered",
            "Replies in the time shown that did not reach their queue, for any reason. Their commands were handled.",
            "short",
            "sum(increase(zeebe_amqp_reply_failures_total{@}[$__range]))",
            None,
            0.5,
        ),
        stat(
            "Unknown outcomes",
            "Commands in the time shown that may or may not have been executed. Somebody must look at the engine.",
            "short",
            'sum(increase(zeebe_amqp_outcomes_total{@,outcome="unknown"}[$__range]))',
            None,
            0.5,
        ),
        stat(
            "Dead letters",
            "Letters that wait in the dead-letter queue, counted once a minute. Replay or drop them.",
            "short",
            "max(zeebe_amqp_dead_letters{@})",
            1,
            8000,
        ),
        stat(
            "Dead letters for",
            "How long there have been dead letters, as far as the service has counted.",
            "s",
            "max(zeebe_amqp_dead_letters_age_seconds{@})",
            3600,
            86400,
        ),
        stat(
            "Oldest request",
            "Age of the oldest request that is held, or that waits while nothing is consumed.",
            "s",
            "max(zeebe_amqp_oldest_request_age_seconds{@})",
            60,
            600,
        ),
        stat(
            "Paused for",
            "How long nothing has been consumed because the gateway, the ledger or the audit is away.",
            "s",
            "max(zeebe_amqp_paused_seconds{@})",
            1,
            120,
        ),
    ),
)

STATE = Section(
    "Is it there",
    (
        gauges(
            "Up and ready",
            "1 while Prometheus reaches the service, and while it is ready, as /readyz says.",
            "short",
            {"up {{instance}}": "up{@}", "ready {{instance}}": "zeebe_amqp_ready{@}"},
            6,
        ),
        gauges(
            "Paused, by part",
            "How long nothing has been consumed because this part is away; 0 while it is there.",
            "s",
            {"{{part}} {{instance}}": "zeebe_amqp_paused_seconds{@}"},
            6,
            60,
        ),
        gauges(
            "No gateway reached",
            "1 while no gateway can be reached.",
            "short",
            {"{{instance}}": "zeebe_amqp_circuit_state{@}"},
            4,
        ),
        gauges(
            "Running for",
            "Time since the start of each process. A saw shows restarts.",
            "s",
            {"{{instance}}": "process_uptime_seconds{@}"},
            4,
        ),
        Panel(
            "Gateway",
            "Address and version of the gateway, as each process knows them.",
            "short",
            {"{{version}} at {{server_address}}": "max by (version, server_address) (zeebe_amqp_gateway_info{@})"},
            4,
            "names",
        ),
    ),
)

TRAFFIC = Section(
    "How much, and what fails",
    (
        Panel(
            "Commands",
            "Commands handled per second, by operation; operations that nobody uses are left out.",
            "ops",
            {"{{operation}}": f"sum by (operation) (rate(zeebe_amqp_outcomes_total{{@}}{RATE})) > 0"},
        ),
        rates(
            "Outcomes", "Commands handled per second, by what became of them.", "zeebe_amqp_outcomes_total", "outcome"
        ),
        rates(
            "Requests taken",
            "Requests taken from the queues per second.",
            "messaging_client_consumed_messages_total",
            "messaging_destination_name",
        ),
        rates(
            "Errors",
            "Failed commands per second. The source says whose fault: the gateway's, or found by the service itself, "
            "which is mostly the caller's.",
            "zeebe_amqp_commands_total",
            "operation",
            "code",
            "source",
            "outcome",
            only=',code!="OK"',
            width=16,
        ),
        rates(
            "Replies", "Replies published per second, by error.", "messaging_client_sent_messages_total", "error_type"
        ),
    ),
)

LATENCY = Section(
    "Who is slow: the engine, the broker or the ledger",
    (
        quantiles(
            "Commands",
            "From a request's delivery to its answer being ready, by operation.",
            "zeebe_amqp_command_duration_seconds",
            "operation",
        ),
        quantiles(
            "Engine",
            "Calls to the gateway, all attempts included, by RPC. High where the engine is slow, or waits on purpose.",
            "rpc_client_call_duration_seconds",
            "rpc_method",
            warn=2,
        ),
        quantiles(
            "Broker",
            "Until the broker confirmed a reply. High where the broker is slow.",
            "messaging_client_operation_duration_seconds",
            warn=1,
        ),
        quantiles(
            "Ledger", "What the ledger took, by what it did.", "zeebe_amqp_ledger_duration_seconds", "operation", warn=1
        ),
        quantiles(
            "Waiting in the queue",
            "From a request's timestamp to its delivery; callers give whole seconds.",
            "zeebe_amqp_queue_wait_seconds",
            "messaging_destination_name",
        ),
        quantiles(
            "By request queue",
            "From a request's delivery to its answer being ready, by the queue that it came from.",
            "messaging_process_duration_seconds",
            "messaging_destination_name",
        ),
    ),
)

QUEUES = Section(
    "Queues and places",
    (
        gauges(
            "Requests that wait",
            "Requests in their queues, counted every 15 seconds.",
            "short",
            {"{{queue}}": "max by (queue) (zeebe_amqp_queue_messages{@})"},
            6,
            1000,
        ),
        gauges(
            "In flight, and the limit",
            "Requests that are held, and how many of each queue may run at a time. The limit sinks when the engine "
            "refuses load.",
            "short",
            {
                "in flight": "sum(zeebe_amqp_in_flight{@})",
                "limit {{queue}}": "sum by (queue) (zeebe_amqp_limit{@})",
            },
            6,
        ),
        gauges(
            "Held in memory",
            "Bytes of requests in memory; at 64 MiB by default, large ones wait in files.",
            "bytes",
            {"{{instance}}": "zeebe_amqp_held_bytes{@}"},
            6,
            0.8 * 64 * 1024**2,
        ),
        rates(
            "New dead letters",
            "Requests per second that became dead letters, by queue.",
            "zeebe_amqp_dead_lettered_total",
            "queue",
            width=6,
        ),
    ),
)

AGAIN = Section(
    "What is done again",
    (
        rates(
            "Retries",
            "Attempts per second at the gateway that were followed by another, by RPC and the gateway's answer.",
            "zeebe_amqp_retries_total",
            "rpc_method",
            "rpc_response_status_code",
        ),
        rates(
            "Redeliveries",
            "Requests per second that the broker delivered again.",
            "zeebe_amqp_redelivered_total",
            "messaging_destination_name",
        ),
        rates(
            "Given back",
            "Requests per second that went back to their queue while the service runs.",
            "zeebe_amqp_requeued_total",
            "queue",
        ),
        rates(
            "Replays",
            "Answers per second that were taken from an earlier run of the same request.",
            "zeebe_amqp_replayed_total",
            "operation",
        ),
    ),
)

LEDGER = Section(
    "Ledger",
    (
        gauges(
            "Entries",
            "Answered requests that the ledger remembers.",
            "short",
            {"{{instance}}": "zeebe_amqp_ledger_size{@}"},
        ),
        gauges(
            "Size", "Bytes of those answers that are kept.", "bytes", {"{{instance}}": "zeebe_amqp_ledger_bytes{@}"}
        ),
        Panel(
            "Forgotten early",
            "Forgotten per second before LEDGER_TTL, because the ledger is full: answers whose requests stay known "
            "(body), and requests that would run again (entry).",
            "ops",
            {"{{kind}} {{instance}}": f"rate(zeebe_amqp_ledger_evicted_total{{@}}{RATE})"},
            warn=0.001,
        ),
        rates(
            "Refused",
            "Requests per second that the service refused because of their request id or their sender.",
            "zeebe_amqp_refused_total",
            "reason",
        ),
        Panel(
            "Work",
            "What is asked of the ledger per second.",
            "ops",
            {"{{operation}}": f"sum by (operation) (rate(zeebe_amqp_ledger_duration_seconds_count{{@}}{RATE}))"},
        ),
        Panel(
            "Failures",
            "Times per second that the ledger could not be used.",
            "ops",
            {"{{instance}}": f"rate(zeebe_amqp_ledger_failures_total{{@}}{RATE})"},
            alarm=0.001,
        ),
    ),
)

AUDIT = Section(
    "Audit",
    (
        Panel(
            "Records",
            "Records written per second; nothing without AUDIT.",
            "ops",
            {"{{instance}}": f"rate(zeebe_amqp_audit_records_total{{@}}{RATE})"},
        ),
        Panel(
            "Failures",
            "Times per second that records could not be written.",
            "ops",
            {"{{instance}}": f"rate(zeebe_amqp_audit_failures_total{{@}}{RATE})"},
            alarm=0.001,
        ),
        quantiles("Duration", "Until records were written, by batch.", "zeebe_amqp_audit_duration_seconds", warn=1),
    ),
)

PROCESS = Section(
    "Process",
    (
        gauges(
            "Processor",
            "Cores in use. One process uses one core, and a little more.",
            "short",
            {"{{instance}}": f"rate(process_cpu_time_seconds_total{{@}}{RATE})"},
            6,
            1,
        ),
        gauges("Memory", "Resident memory.", "bytes", {"{{instance}}": "process_memory_usage_bytes{@}"}, 6),
        gauges(
            "File descriptors",
            "Open files and connections. Many systems allow 1024.",
            "short",
            {"{{instance}}": "process_unix_file_descriptor_count{@}"},
            6,
            800,
        ),
        gauges("Tasks", "Tasks of the event loop.", "short", {"{{instance}}": "zeebe_amqp_tasks{@}"}, 6),
    ),
)

SECTIONS = (PROMISES, STATE, TRAFFIC, LATENCY, QUEUES, JOBS, AGAIN, LEDGER, AUDIT, PROCESS)
