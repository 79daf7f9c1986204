"""The command line `zeebe-amqp`. Needs the extra `cli`: `pip install zeebe-amqp[cli]`."""
