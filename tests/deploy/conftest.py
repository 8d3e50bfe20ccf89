"""The files in `deploy/`, read as Docker, Compose and Kubernetes read them."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="session")
def deploy() -> Path:
    return DEPLOY


@pytest.fixture(scope="session")
def procfile() -> dict[str, list[str]]:
    """Command by name."""
    lines = (line.partition(":") for line in (ROOT / "Procfile").read_text().splitlines())
    return {name: shlex.split(command) for name, _, command in lines}


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture(scope="session")
def manifests() -> list[dict[str, Any]]:
    """Every document that the kustomization takes."""
    taken = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["resources"]
    return [document for name in taken for document in yaml.safe_load_all((DEPLOY / name).read_text())]


@pytest.fixture(scope="session")
def of_kind(manifests):
    """Documents of some kinds, by name."""
    return lambda *kinds: {each["metadata"]["name"]: each for each in manifests if each["kind"] in kinds}


@pytest.fixture(scope="session")
def pods(of_kind) -> dict[str, dict[str, Any]]:
    """The pod of each workload, by name."""
    return {name: each["spec"]["template"]["spec"] for name, each in of_kind("Deployment", "Job").items()}
