"""What the chart promises: pods that start, stop and are found, and objects that fit the service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trustme

from consumer.config import VARIABLES
from consumer.config.loading import load
from consumer.security.policy import read
from consumer.telemetry.catalog import METRICS
from scripts import chart
from tests.cases import check_all
from tests.unit.deploy.manifests import SETS, Manifest, container, everywhere, manifests, of_kind, one, pod, values
from tests.yaml_reader import read_yaml
from zeebe_amqp import wire

DOCKERFILE = (chart.ROOT / "Dockerfile").read_text()
HEALTH = (chart.ROOT / "consumer" / "health.py").read_text()
SPELLINGS = {name: each.name for each in VARIABLES for name in each.spellings}


def environment(name: str) -> dict[str, str]:
    """The variables of the container; secrets have no value here."""
    return {each["name"]: each.get("value", "") for each in container(name)["env"]}


def selected(name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """What selects pods, with the labels that it asks for."""
    found = [*of_kind(name, "Deployment"), *of_kind(name, "PodDisruptionBudget"), *of_kind(name, "NetworkPolicy")]
    for each in found:
        selector = each["spec"].get("selector") or each["spec"]["podSelector"]
        yield each["kind"], selector["matchLabels"]
    yield "Service", one(name, "Service")["spec"]["selector"]


def shared(name: str) -> bool:
    """Whether a set of values shares a ledger."""
    return values(name)["ledger"]["type"] in ("redis", "postgresql")


def test_everything_selects_the_pods_of_the_release() -> None:
    def selects(name: str) -> None:
        labels = one(name, "Deployment")["spec"]["template"]["metadata"]["labels"]
        for kind, wanted in selected(name):
            assert wanted.keys() == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}, kind
            assert wanted.items() <= labels.items(), kind
        for monitor in of_kind(name, "ServiceMonitor"):
            service = one(name, "Service")
            assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()

    check_all(SETS, selects)


def test_every_port_that_is_named_is_the_one_that_the_service_listens_on() -> None:
    def is_the_port(name: str) -> None:
        [port] = container(name)["ports"]
        assert environment(name)["HTTP_ADDRESS"] == f"0.0.0.0:{port['containerPort']}"
        [service] = one(name, "Service")["spec"]["ports"]
        named = {service["targetPort"], service["name"]}
        named |= {each["spec"]["endpoints"][0]["port"] for each in of_kind(name, "ServiceMonitor")}
        named |= {each["spec"]["ingress"][0]["ports"][0]["port"] for each in of_kind(name, "NetworkPolicy")}
        named |= {probe["httpGet"]["port"] for probe in probes(name).values()}
        assert named == {port["name"]}

    check_all(SETS, is_the_port)


def probes(name: str) -> dict[str, Any]:
    """The probes of the container."""
    return {kind: container(name)[kind] for kind in ("livenessProbe", "readinessProbe", "startupProbe")}


def test_probes_ask_what_the_service_serves() -> None:
    def are_right(name: str) -> None:
        paths = {kind: probe["httpGet"]["path"] for kind, probe in probes(name).items()}
        assert paths == {"livenessProbe": "/livez", "readinessProbe": "/readyz", "startupProbe": "/livez"}
        assert set(paths.values()) <= set(re.findall(r'add_get\("(/\w+)"', HEALTH))

    check_all(SETS, are_right)


def test_a_pod_is_confined_and_runs_as_the_user_of_the_image() -> None:
    user = int(re.search(r"^USER (\d+)", DOCKERFILE, re.MULTILINE)[1])  # type: ignore[index]

    def is_confined(name: str) -> None:
        outer, inner = pod(name)["securityContext"], container(name)["securityContext"]
        assert (outer["runAsUser"], outer["fsGroup"], outer["runAsNonRoot"]) == (user, user, True)
        assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
        assert inner["capabilities"] == {"drop": ["ALL"]}
        assert (inner["allowPrivilegeEscalation"], inner["readOnlyRootFilesystem"]) == (False, True)
        assert not pod(name)["automountServiceAccountToken"]
        assert not pod(name)["enableServiceLinks"]

    check_all(SETS, is_confined)


def test_what_is_written_is_on_a_volume() -> None:
    def is_mounted(name: str) -> None:
        volumes = {each["name"] for each in pod(name)["volumes"]}
        mounts = {each["mountPath"]: each["name"] for each in container(name)["volumeMounts"]}
        assert set(mounts.values()) == volumes
        assert {environment(name)["STATE_DIR"], "/tmp"} <= mounts.keys()
        files = {value for value in environment(name).values() if value.startswith("/certificates/")}
        assert not files or "/certificates" in mounts

    check_all(SETS, is_mounted)


def test_a_pod_gets_more_time_to_stop_than_the_service_drains() -> None:
    def gets_more(name: str) -> None:
        drains = int(environment(name)["SHUTDOWN_GRACE"].removesuffix("s"))
        assert drains == values(name)["shutdownGrace"]
        assert pod(name)["terminationGracePeriodSeconds"] >= drains + 5

    check_all(SETS, gets_more)


def test_a_file_is_for_one_process_at_a_time_and_outlives_it() -> None:
    def is_kept(name: str) -> None:
        strategy = one(name, "Deployment")["spec"]["strategy"]["type"]
        claims = [volume["persistentVolumeClaim"]["claimName"] for volume in pod(name)["volumes"] if claimed(volume)]
        assert (strategy == "Recreate") == (values(name)["ledger"]["type"] == "sqlite") == bool(claims)
        made = {
            each["metadata"]["name"]: each["metadata"]["annotations"] for each in of_kind(name, "PersistentVolumeClaim")
        }
        assert made.keys() == set(claims)
        assert all(each == {"helm.sh/resource-policy": "keep"} for each in made.values())

    check_all(SETS, is_kept)


def claimed(volume: Manifest) -> bool:
    """Whether a volume is one that lasts."""
    return "persistentVolumeClaim" in volume


def test_several_replicas_are_counted_by_one_and_share_a_ledger() -> None:
    def is_counted(name: str) -> None:
        scaled = of_kind(name, "ScaledObject")
        count = one(name, "Deployment")["spec"].get("replicas")
        assert (count is None) == bool(scaled)
        several = bool(scaled) or count > 1
        assert bool(of_kind(name, "PodDisruptionBudget")) == several
        assert shared(name) or not several

    check_all(SETS, is_counted)
    assert any(one(name, "Deployment")["spec"].get("replicas", 0) > 1 for name in SETS)


def test_variables_are_settings_of_the_service_each_given_once() -> None:
    def are_known(name: str) -> None:
        given = [each["name"] for each in container(name)["env"]]
        known = [SPELLINGS[each] for each in given if not re.fullmatch(chart.OTHERS, each)]
        assert len(known) == len(set(known))
        assert {*known, *given} >= (chart.MANAGED - {"LEDGER"})
        assert ("LEDGER" in given) == (values(name)["ledger"]["type"] != "sqlite")

    check_all(SETS, are_known)


def test_the_service_starts_with_its_variables(tmp_path: Path) -> None:
    """It reads them itself, with secrets filled in and certificates at another place."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    secrets = {"AMQP_URL": "amqp://user:secret@rabbitmq:5672", "LEDGER": "redis://:secret@ledger:6379/0"}
    secrets["SIGNING_KEYS"] = "k" * 32

    def starts(name: str) -> None:
        given = {each: value or secrets.get(each, "secret") for each, value in environment(name).items()}
        given = {each: value.replace("/certificates", str(tmp_path)) for each, value in given.items()}
        for value, variable in (("policy", "POLICY_FILE"), ("jobs", "JOBS_FILE")):
            if text := values(name)[value]:
                (file := tmp_path / Path(given[variable]).name).write_text(text)
                assert {file.name: text} in [each["data"] for each in of_kind(name, "ConfigMap")]
                given[variable] = str(file)
        loaded = load(given, directory=tmp_path)
        assert loaded.settings.policy_file is None or read(loaded.settings.policy_file).users
        assert bool(loaded.settings.jobs) == bool(values(name)["jobs"])
        assert loaded.settings.amqp.queues == tuple(values(name)["queues"])
        kind = values(name)["ledger"]["type"]
        place = {"sqlite": "sqlite:////state/ledger.db", "memory": "memory://"}.get(kind, f"{kind}://")
        assert loaded.settings.ledger.startswith(place)
        assert (loaded.settings.amqp.declare == "passive") == values(name)["topology"]["enabled"]

    check_all(SETS, starts)


def test_the_queues_of_the_operator_are_those_that_the_service_declares() -> None:
    spec = {each["spec"]["name"]: each["spec"] for each in of_kind("topology", "Queue")}
    arguments = {name: {"x-queue-type": each["type"], **each.get("arguments", {})} for name, each in spec.items()}
    requests = environment("topology")["AMQP_QUEUES"].split(",")
    assert arguments == {**dict.fromkeys(requests, wire.REQUEST_QUEUE), wire.DEAD_LETTER: wire.DEAD_QUEUE}
    assert all(each["durable"] and not each["autoDelete"] for each in spec.values())
    exchange, binding = one("topology", "Exchange")["spec"], one("topology", "Binding")["spec"]
    assert (exchange["name"], exchange["type"], exchange["durable"]) == (wire.DEAD_LETTER, "fanout", True)
    assert (binding["source"], binding["destination"]) == (wire.DEAD_LETTER, wire.DEAD_LETTER)


def test_removing_the_release_removes_no_queue() -> None:
    for kind in ("Queue", "Exchange", "Binding"):
        for each in of_kind("topology", kind):
            assert each["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}, each["metadata"]["name"]


def test_everything_of_the_operator_is_in_one_virtual_host_of_one_cluster() -> None:
    found = [each["spec"] for each in manifests("topology") if each["apiVersion"] == "rabbitmq.com/v1beta1"]
    topology = values("topology")["topology"]
    assert {each["vhost"] for each in found} == {topology["vhost"]}
    assert all(each["rabbitmqClusterReference"] == topology["cluster"] for each in found)


def test_bounds_are_for_the_queues_that_the_service_uses() -> None:
    queues = environment("topology")["AMQP_QUEUES"].split(",")
    bounds = {each["spec"]["name"]: each["spec"] for each in of_kind("topology", "Policy")}
    for name, named in (("zeebe-requests", queues), ("zeebe-dead", [wire.DEAD_LETTER])):
        pattern = re.compile(bounds[name]["pattern"])
        assert [
            each for each in [*queues, wire.DEAD_LETTER, "zeebeXcommands", "zeebe.polls2"] if pattern.search(each)
        ] == named
    dead = bounds["zeebe-dead"]["definition"]
    assert str(dead["max-length"]) == environment("topology")["DEAD_LETTER_BOUND"]
    assert dead["overflow"] == "reject-publish"


def test_the_service_has_the_rights_that_it_needs_and_no_others() -> None:
    """As docs/security.md says of a service that declares nothing."""
    rights = one("topology", "Permission")["spec"]["permissions"]
    queues = [*environment("topology")["AMQP_QUEUES"].split(","), wire.DEAD_LETTER]
    needed = {"configure": [], "write": ["amq.default", wire.DEAD_LETTER], "read": queues}
    others = ["zeebe", "orders", "zeebe.dead.letters", "amq.topic", "zeebeXdead"]
    for right, names in needed.items():
        tried = sorted({"amq.default", *queues, *others})
        assert {each for each in tried if re.search(rights[right], each)} == set(names), right


def test_keda_scales_the_deployment_by_its_queue_and_not_while_the_engine_is_away() -> None:
    spec = one("keda", "ScaledObject")["spec"]
    assert spec["scaleTargetRef"]["name"] == one("keda", "Deployment")["metadata"]["name"]
    assert spec["minReplicaCount"] >= 1
    triggers = {each["name"]: each for each in spec["triggers"]}
    formula = spec["advanced"]["scalingModifiers"]["formula"]
    assert set(re.findall(r"[a-z]+", formula)) == triggers.keys() == {"waiting", "away"}
    target = int(spec["advanced"]["scalingModifiers"]["target"])
    assert [scaled(formula, waiting=800, away=away) for away in (0, 3)] == [800, 3 * target]
    assert triggers["waiting"]["metadata"]["queueName"] in environment("keda")["AMQP_QUEUES"].split(",")
    assert triggers["waiting"]["metadata"]["value"] == spec["advanced"]["scalingModifiers"]["target"]
    authentication = one("keda", "TriggerAuthentication")
    assert triggers["waiting"]["authenticationRef"]["name"] == authentication["metadata"]["name"]
    [secret] = authentication["spec"]["secretTargetRef"]
    assert secret == {"parameter": "host", "name": values("keda")["secrets"]["existingSecret"], "key": "AMQP_URL"}


def scaled(formula: str, *, waiting: int, away: int) -> int:
    """The value of KEDA's formula `away > 0 ? away * N : waiting`; divided by N it is the number of replicas."""
    [held] = re.findall(r"^away > 0 \? away \* (\d+) : waiting$", formula)
    return away * int(held) if away > 0 else waiting


def test_keda_asks_for_a_metric_that_prometheus_has_of_the_service() -> None:
    [asked] = [
        each["metadata"] for each in one("keda", "ScaledObject")["spec"]["triggers"] if each["type"] == "prometheus"
    ]
    state = r'(\w+)\{namespace="orders", job="([\w-]+)"\}'
    name, job, *again = re.fullmatch(rf"min\({state}\) \* count\({state}\)", asked["query"]).groups()  # type: ignore[union-attr]
    assert again == [name, job]
    assert name in {each.replace(".", "_") for each in METRICS}
    # The operator names the job after the Service.
    assert job == one("keda", "Service")["metadata"]["name"]
    assert asked["ignoreNullValues"] == "false"


def test_the_network_policy_lets_through_what_the_values_name() -> None:
    policies = list(everywhere("NetworkPolicy"))
    assert policies

    def lets_through(name: str, policy: Manifest) -> None:
        named, others = policy["spec"]["egress"]
        assert {(each["protocol"], each["port"]) for each in named["ports"]} == {("UDP", 53), ("TCP", 53)}
        ports = values(name)["networkPolicy"]["egressPorts"]
        unused = {"redis", "postgresql"} - {values(name)["ledger"]["type"]}
        wanted = {port for kind, each in ports.items() if kind not in unused for port in each}
        assert {each["port"] for each in others["ports"]} == wanted
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert policy["spec"]["ingress"][0].get("from", []) == values(name)["networkPolicy"]["scrapeFrom"]

    check_all(policies, lets_through)


def test_the_alerts_are_those_of_the_file_with_the_runbooks_at_their_address() -> None:
    file = chart.CHART / "alerts.yaml"
    text = file.read_text() if file.exists() else "groups: []"
    wanted = {name for name in SETS if values(name)["prometheusRule"]["enabled"]}
    found = dict(everywhere("PrometheusRule"))
    assert len(wanted) > 1
    assert found.keys() == (wanted if file.exists() else set())
    for name, rule in found.items():
        docs = values(name)["prometheusRule"]["docs"]
        assert rule["spec"] == read_yaml(text.replace("https://zeebe-amqp.example", docs)), name
