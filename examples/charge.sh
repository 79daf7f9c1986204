#!/bin/sh
# A shell script as a worker: zeebe-amqp work charge-card --exec examples/charge.sh
set -eu
amount=$(jq .amount) # the variables are on standard input
if [ "$amount" -gt 1000 ]; then
    echo "the card has a limit of 1000" >&2 # why the job fails
    exit 1
fi
echo "{\"charged\": $amount}" # the answer
