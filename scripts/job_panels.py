"""What the dashboard shows of jobs on queues."""

from __future__ import annotations

from scripts.panel import RATE, Panel, Section, gauges, rates

JOBS = Section(
    "Jobs on queues: who waits, who works, what comes back",
    (
        gauges(
            "Jobs that wait",
            "Jobs in the queue of their type, and how many may wait before no more are fetched.",
            "short",
            {
                "{{type}}": "max by (type) (zeebe_amqp_jobs_waiting{@})",
                "limit {{type}}": "max by (type) (zeebe_amqp_jobs_limit{@})",
            },
            6,
        ),
        gauges(
            "Oldest job",
            "Age of the oldest job that waits. At the time-out of its type it expires, and is given out again.",
            "s",
            {"{{type}}": "max by (type) (zeebe_amqp_jobs_oldest_age_seconds{@})"},
            6,
            240,
        ),
        gauges(
            "Workers",
            "Consumers of the queue of each type. Nobody works a type at 0.",
            "short",
            {"{{type}}": "max by (type) (zeebe_amqp_jobs_workers{@})"},
            6,
        ),
        rates(
            "Given out", "Jobs per second that went to a queue, by type.", "zeebe_amqp_jobs_out_total", "type", width=6
        ),
        rates(
            "Answers",
            "Answers of workers per second that the engine took, by type and outcome.",
            "zeebe_amqp_jobs_answered_total",
            "type",
            "outcome",
            width=6,
        ),
        Panel(
            "Answers not executed",
            "Late: the job had been given out again. Forged: without an id of ours. Doubled: a second, different "
            "answer. Rejected: by the engine or the policy.",
            "ops",
            {
                "late {{type}}": f"sum by (type) (rate(zeebe_amqp_jobs_late_total{{@}}{RATE}))",
                "{{reason}}": f"sum by (reason) (rate(zeebe_amqp_jobs_refused_total{{@}}{RATE}))",
            },
            6,
            warn=0.1,
        ),
        rates(
            "Undone",
            "Jobs per second that came back without an answer and were failed, by type and reason.",
            "zeebe_amqp_jobs_undone_total",
            "type",
            "reason",
            width=6,
        ),
        Panel(
            "Given out in vain",
            "Expired: no worker took the job in time. Returned: its queue did not take it. Both are given out again.",
            "ops",
            {
                "expired {{type}}": f"sum by (type) (rate(zeebe_amqp_jobs_expired_total{{@}}{RATE}))",
                "returned {{type}}": f"sum by (type) (rate(zeebe_amqp_jobs_returned_total{{@}}{RATE}))",
            },
            6,
            warn=0.1,
        ),
    ),
)
