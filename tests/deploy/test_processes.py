"""Containers start what the Procfile starts, and may do no more than they need."""

import os
import re
import subprocess
import time

import pytest

from domain.scaling import PoolSize
from infra.config.settings import read_settings

SECRET_FILE = re.compile(r'"file:/run/secrets/([a-z_]+)"')
# Beyond a worker's drain: time to close its connections.
MARGIN_S = 10
STORES = {"postgres", "redis"}


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


@pytest.fixture
def read(deploy, tmp_path):
    """The settings as containers see them, with secrets as `docs/how-to/deploy.md` makes them."""

    def settings(name, **secrets):
        for secret, value in secrets.items():
            (tmp_path / secret).write_text(value)
        file = tmp_path / name
        file.write_text((deploy / name).read_text().replace("/run/secrets", str(tmp_path)))
        return read_settings(file, {})

    return settings


@pytest.fixture
def composed(read):
    return read(
        "compose.toml", database_url="postgresql://orderlane:x@postgres/orderlane", redis_url="redis://redis:6379/0"
    )


@pytest.fixture
def clustered(read):
    return read(
        "orderlane.toml",
        database_url="postgresql://orderlane:x@db.example.com/orderlane?sslmode=verify-full",
        redis_url="rediss://:x@redis.example.com/0",
    )


def test_compose_starts_every_line_of_the_procfile_and_nothing_else(compose, procfile):
    started = {name: service["command"] for name, service in compose["services"].items() if name not in STORES}
    assert started == procfile


def test_kubernetes_runs_every_line_of_the_procfile_and_nothing_else(of_kind, pods, procfile):
    started = {name: pod["containers"][0]["command"] for name, pod in pods.items()}
    assert started == procfile
    assert set(of_kind("Job")) == {"release"}, "what ends by itself is no Deployment"


def test_nobody_starts_before_the_release_is_through(of_kind, pods, compose, procfile):
    for name in of_kind("Deployment"):
        [first] = pods[name]["initContainers"]
        assert first["command"] == [*procfile["release"], "--wait"], name
    waiting = {name for name in procfile if name != "release"}
    for name in waiting:
        assert compose["services"][name]["depends_on"]["release"] == {"condition": "service_completed_successfully"}


def test_a_drain_is_never_cut_short(compose, of_kind, composed, clustered):
    drain_s = max(composed.workers.drain_s, clustered.workers.drain_s)
    graces = [seconds(compose["services"][name]["stop_grace_period"]) for name in ("worker", "p0worker", "sweeper")]
    deployed = [each["spec"]["template"]["spec"] for each in of_kind("Deployment").values()]
    graces += [pod["terminationGracePeriodSeconds"] for pod in deployed]
    assert min(graces) >= drain_s + MARGIN_S


def test_the_settings_name_every_secret_that_compose_mounts(deploy, compose):
    named = set(SECRET_FILE.findall((deploy / "compose.toml").read_text()))
    assert named == set(compose["services"]["worker"]["secrets"])
    assert {"postgres_password", *named} == set(compose["secrets"])


def test_no_secret_stands_in_a_file(deploy, of_kind):
    assert of_kind("Secret") == {}
    for file in (*deploy.glob("*.*"), *deploy.glob("kubernetes/*"), deploy / "Dockerfile"):
        assert not re.search(
            r"(?i)(password|secret|token|_key)\s*[:=]\s*[\"']?[\w+/]{12,}[\"']?$", file.read_text(), re.MULTILINE
        )


def test_pods_are_bound_to_little(pods):
    for name, pod in pods.items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"], name
            assert "cpu" not in container["resources"]["limits"], "a throttled worker holds its leases for longer"


def test_whoever_goes_round_is_watched(pods, compose, deploy):
    heartbeat = re.search(r"ORDERLANE_HEARTBEAT=(\S+)", (deploy / "Dockerfile").read_text())[1]
    for name, pod in pods.items():
        [container] = pod["containers"]
        assert ("livenessProbe" in container) == (name != "release")
        writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert any(heartbeat.startswith(f"{place}/") for place in writable)
    assert compose["services"]["release"]["healthcheck"] == {"disable": True}
    assert all("healthcheck" in compose["services"][name] for name in STORES)


@pytest.mark.parametrize(("age_s", "is_well"), [(None, False), (0, True), (30, True), (300, False)])
def test_a_probe_believes_a_fresh_heartbeat_only(of_kind, tmp_path, age_s, is_well):
    heartbeat = tmp_path / "heartbeat"
    if age_s is not None:
        heartbeat.touch()
        os.utime(heartbeat, (time.time() - age_s,) * 2)
    for each in of_kind("Deployment").values():
        [container] = each["spec"]["template"]["spec"]["containers"]
        probes = [container[name]["exec"]["command"] for name in ("readinessProbe", "livenessProbe")]
        assert probes[0] == probes[1]
        environ = {**os.environ, "ORDERLANE_HEARTBEAT": str(heartbeat)}
        done = subprocess.run(probes[0], env=environ, capture_output=True, check=False)
        assert (done.returncode == 0) == is_well


def test_a_new_version_that_dies_does_not_replace_the_old_one(of_kind):
    """Nobody of the old leaves before one of the new has been ready for longer than a start takes to fail."""
    for name, each in of_kind("Deployment").items():
        spec = each["spec"]
        [container] = spec["template"]["spec"]["containers"]
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}, name
        assert spec["minReadySeconds"] == 15, name
        assert 2 * container["readinessProbe"]["periodSeconds"] < spec["minReadySeconds"], "a death in between is seen"


def test_only_monitoring_comes_to_the_metrics_and_nobody_to_the_rest(of_kind, pods, clustered):
    policies = {name: each["spec"] for name, each in of_kind("NetworkPolicy").items()}
    [selector] = policies["closed"].pop("podSelector")["matchExpressions"]
    assert (selector["key"], selector["operator"]) == ("app.kubernetes.io/component", "In")
    assert set(selector["values"]) == set(pods), "every pod of ours"
    assert policies["closed"] == {"policyTypes": ["Ingress"]}
    assert policies["metrics"]["podSelector"] == {"matchLabels": {"app.kubernetes.io/component": "sweeper"}}
    [rule] = policies["metrics"]["ingress"]
    [source] = rule["from"]
    assert source == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    port = int(clustered.metrics.address.rpartition(":")[2])
    assert rule["ports"] == [{"protocol": "TCP", "port": port}]
    listening = {name for name, pod in pods.items() for each in pod["containers"] if "ports" in each}
    assert listening == {"sweeper"}


def test_compose_starts_stores_of_the_versions_that_the_tests_run_on(compose, database, redis):
    with database.connection() as connection:
        postgres = connection.info.server_version // 10_000
    assert compose["services"]["postgres"]["image"] == f"postgres:{postgres}"
    assert compose["services"]["redis"]["image"] == "redis:" + redis.info("server")["redis_version"].rpartition(".")[0]


def test_a_drain_of_nodes_leaves_somebody_at_work(of_kind):
    guarded = {
        each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]
        for each in of_kind("PodDisruptionBudget").values()
    }
    assert guarded == set(of_kind("Deployment"))


def test_selectors_find_their_pods(of_kind):
    for name, each in of_kind("Deployment").items():
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"]["matchLabels"].items() <= labels.items(), name


def test_compose_runs_as_many_as_its_settings_say(compose, composed, procfile):
    """Rates of accounts are divided by the processes there may be."""
    for name in ("worker", "p0worker"):
        replicas = compose["services"][name].get("deploy", {}).get("replicas", 1)
        assert composed.workers.pool(procfile[name][-1]).size == PoolSize(replicas, replicas), name


def test_the_network_of_compose_is_its_own(compose, composed, clustered):
    """Only where no port of a store is published may it do without a password and TLS."""
    assert (composed.stores.trusts_network, clustered.stores.trusts_network) == (True, False)
    assert [name for name in STORES if "ports" in compose["services"][name]] == []


def test_the_scalers_keep_to_the_bounds_in_the_settings(of_kind, procfile, clustered):
    """Rates of accounts are divided by the processes there may be."""
    for name, scaled in of_kind("ScaledObject").items():
        pool = clustered.workers.pool(procfile[name][-1])
        spec = scaled["spec"]
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (pool.size.least, pool.size.most), name
        assert "replicas" not in of_kind("Deployment")[name]["spec"], "two would set it"
