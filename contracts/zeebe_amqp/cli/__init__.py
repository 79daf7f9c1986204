"""The command line `zeebe-amqp`. Needs the extra `cli`: `pip install zeebe-amqp[cli]`."""

from zeebe_amqp.cli.program import program, run

__all__ = ["program", "run"]
