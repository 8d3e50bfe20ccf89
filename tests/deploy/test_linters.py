"""The linters of their own formats accept the files in `deploy/`, and would refuse a mistake."""

import copy
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest

BIN = Path(sys.executable).parent
HADOLINT = BIN / "hadolint"
KEDA = "keda.sh/"


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def lint_compose(file):
    return run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)


needs_hadolint = pytest.mark.skipif(not HADOLINT.is_file(), reason="its package has no binary for this platform")


@needs_hadolint
def test_the_image(deploy):
    done = run(HADOLINT, deploy / "Dockerfile")
    assert done.returncode == 0, done.stdout


@needs_hadolint
def test_a_mistake_in_the_image_is_seen(deploy, tmp_path):
    broken = tmp_path / "Dockerfile"
    broken.write_text((deploy / "Dockerfile").read_text().replace("python:3.11-slim-bookworm", "python"))
    assert run(HADOLINT, broken).returncode != 0


def test_the_compose_file(deploy):
    done = lint_compose(deploy / "compose.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mistake_in_the_compose_file_is_seen(deploy, tmp_path):
    broken = tmp_path / "compose.yaml"
    broken.write_text((deploy / "compose.yaml").read_text().replace("stop_grace_period: 45s", "grace: 45s"))
    assert lint_compose(broken).returncode != 0


def test_every_file_is_tidy_yaml(deploy):
    done = run(BIN / "yamllint", "--strict", "-c", deploy / ".yamllint.yaml", deploy)
    assert done.returncode == 0, done.stdout


def test_the_manifests(manifests):
    """Strict: no field that Kubernetes does not know."""
    native = [each for each in manifests if not each["apiVersion"].startswith(KEDA)]
    assert len(native) > 5
    for document in native:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_a_mistake_in_a_manifest_is_seen(of_kind):
    document = copy.deepcopy(of_kind("Deployment")["worker"])
    document["spec"]["template"]["spec"]["gracePeriod"] = 45
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
