"""Nothing is left out: every operation has a test of its success, in an envelope, with every field of its reply."""

from __future__ import annotations

from pathlib import Path

from tests.integration.functions import functions
from zeebe_amqp.commands import COMMANDS

SUCCESSES: dict[str, str] = {
    "topology": "test_topology_answers_the_cluster_with_every_field",
    "deploy-process": "test_deploy_process_answers_the_deployment_and_again_the_same_version",
    "create-instance": "test_create_instance_by_id_answers_the_instance",
    "cancel-instance": "test_cancel_instance_ends_the_instance",
    "set-variables": "test_set_variables_reach_the_job",
    "resolve-incident": "test_resolve_incident_brings_the_job_back",
    "publish-message": "test_publish_message_answers_its_key_and_wakes_who_waits_for_it",
    "activate-jobs": "test_activate_jobs_answers_jobs_with_every_field",
    "complete-job": "test_complete_job_lets_the_process_go_on_with_its_variables",
    "fail-job": "test_fail_job_offers_the_job_again_with_the_remaining_retries",
    "update-job-retries": "test_update_job_retries_sets_them",
    "throw-error": "test_throw_error_is_caught_by_the_process_with_its_variables",
    "deploy-resource": "test_deploy_resource_answers_everything_that_was_in_the_files",
    "delete-resource": "test_delete_resource_deletes_definitions_and_a_new_process_is_the_next_version",
    "evaluate-decision": "test_evaluate_decision_answers_the_output_and_how_it_came_about",
    "broadcast-signal": "test_broadcast_signal_starts_every_process_that_waits_for_it",
    "update-job-timeout": "test_update_job_timeout_sets_how_long_the_job_is_locked",
    "modify-instance": "test_modify_instance_ends_one_element_and_starts_another_with_variables",
    "migrate-instance": "test_migrate_instance_goes_on_in_the_other_process",
}
TOO_NEW = {"evaluate-conditional"}
"""Operations that none of the engines knows: their refusal is tested instead."""


def test_every_operation_has_a_success() -> None:
    assert set(SUCCESSES) | TOO_NEW | {"signal"} == set(COMMANDS)  # that one is in ../test_signals.py


def test_every_success_is_tested_on_every_engine() -> None:
    assert set(SUCCESSES.values()) <= functions(Path(__file__).parent)
