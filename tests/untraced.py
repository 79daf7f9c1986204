"""What no measure of coverage slows down: lines take three times as long under it, also those that do not count."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["OTHERWISE", "TESTS", "is_untraced", "untraced"]

TESTS = Path(__file__).parent
OTHERWISE = {
    "faults", "simulation", "unit/benchmarks", "unit/contracts/asyncapi", "unit/deploy", "unit/scripts",
    "unit/test_compose.py",
    "unit/test_declarations.py", "unit/test_hardening.py", "unit/test_linear.py", "unit/test_private_names.py",
    "unit/test_repository.py", "unit/test_wheels.py", "unit/test_words.py", "unit/test_workflows.py",
    "integration/engines", "integration/test_alerts.py", "integration/test_broker_dead_letters.py",
    "integration/test_broker_replies.py", "integration/test_broker_words.py", "integration/test_call.py",
    "integration/test_camunda7.py", "integration/test_chart.py", "integration/test_demo.py",
    "integration/test_development_servers.py", "integration/test_documentation.py", "integration/test_dry_run.py",
    "integration/test_engine_facts.py", "integration/test_engine_faults.py", "integration/test_frames.py",
    "integration/test_full_dead_letters.py", "integration/test_hostile.py", "integration/test_job_examples.py",
    "integration/test_job_forgeries.py", "integration/test_job_rights.py", "integration/test_job_traces.py",
    "integration/test_job_workers.py", "integration/test_jobs_answered.py", "integration/test_jobs_fetched.py",
    "integration/test_jobs_given_out.py", "integration/test_jobs_replicas.py", "integration/test_licences.py",
    "integration/test_metrics.py", "integration/test_monitoring.py", "integration/test_neighbours.py",
    "integration/test_once.py", "integration/test_other_clients.py", "integration/test_partitions.py",
    "integration/test_policy.py", "integration/test_pressure.py", "integration/test_rabbitmq_cluster.py",
    "integration/test_restart.py", "integration/test_rights.py", "integration/test_shares.py",
    "integration/test_signals.py", "integration/test_site.py", "integration/test_stack.py",
    "integration/test_traces.py", "integration/test_workflow_lint.py",
}  # fmt: skip
"""Tests that promise something else than what lines of the packages do in their own process: other tests run those."""


def is_untraced(file: Path) -> bool:
    """Whether the tests in a file are not measured."""
    return any(file.is_relative_to(TESTS / each) for each in OTHERWISE)


@contextmanager
def untraced() -> Iterator[None]:
    """Run something without it, also in threads that begin meanwhile; the lines that run are covered by other tests, or
    at another moment."""
    trace, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        threading.settrace(of_threads)
        sys.settrace(trace)
