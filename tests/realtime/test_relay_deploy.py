"""The files of deploy/: each is checked by the program that reads it, or its command is run.

No image is built and no cluster is started: of those two, the commands, ports, paths, names and times are checked.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from realtime.relay.policy_file import load_policy
from tests.conftest import require_program
from tests.relay_process import SRC

DEPLOY = Path(__file__).parents[2] / "deploy"
POLICY = "/etc/wavtools/relay.toml"
PYTHON = "/opt/wavtools/bin/python"
ENVIRONMENT = {"OPENAI_API_KEY": "sk-deploy-123456", "RELAY_SECRET": "x" * 40}


@pytest.fixture
def policy(tmp_path, monkeypatch):
    """deploy/relay.toml with a free port."""
    text = (DEPLOY / "relay.toml").read_text()
    file = tmp_path / "relay.toml"
    file.write_text(text.replace("port = 8081", "port = 0"))
    monkeypatch.setenv("RELAY_SECRET", ENVIRONMENT["RELAY_SECRET"])
    return file


def instructions(name: str) -> list[str]:
    """The arguments of the Dockerfile's instructions called *name*."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.partition(" ")[2] for line in text.splitlines() if line.split(" ")[0] == name]


def resources() -> dict[str, dict[str, Any]]:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


class Started:
    """A relay started by a command of deploy/, with the interpreter and the policy of this test."""

    def __init__(self, command: list[str], policy: Path, **environment: str) -> None:
        ours = [part.replace(PYTHON, sys.executable).replace(POLICY, str(policy)) for part in command]
        assert ours != command, "the command names neither interpreter nor policy"
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "RELAY_"))
        }
        self.process = subprocess.Popen(
            ours,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=policy.parent,
            env={**clean, "PYTHONPATH": str(SRC), **environment},
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline().strip()

    @property
    def port(self) -> str:
        return self.first_line.rpartition(":")[2]

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_haproxy_accepts_the_configuration(tmp_path):
    program, openssl = require_program("haproxy", "haproxy"), require_program("openssl", "openssl")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    request = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=relay.example.org"
    )
    subprocess.run(
        [openssl, *request.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    (tmp_path / "relay.pem").write_text(certificate.read_text() + key.read_text())
    text = (DEPLOY / "haproxy.cfg").read_text()
    assert "/etc/haproxy/relay.pem" in text
    file = tmp_path / "haproxy.cfg"
    file.write_text(text.replace("/etc/haproxy/relay.pem", str(tmp_path / "relay.pem")))
    checked = subprocess.run([program, "-c", "-f", file], capture_output=True, text=True)
    assert checked.returncode == 0 and "WARNING" not in checked.stderr, checked.stderr


def test_systemd_accepts_the_unit(tmp_path):
    program = require_program("systemd-analyze", "systemd")
    text = (DEPLOY / "relay.service").read_text()

    def complaints(name: str, unit: str) -> list[str]:
        """Messages about this unit; systemd may complain about the machine's own units too."""
        (tmp_path / name).write_text(unit)
        checked = subprocess.run([program, "verify", tmp_path / name], capture_output=True, text=True)
        return [line for line in checked.stderr.splitlines() if name in line]

    assert complaints("wavtools-relay.service", text) == []
    assert complaints("wavtools-broken.service", text.replace("KillMode=", "KillMood="))


@pytest.mark.skipif(sys.platform == "win32", reason="systemd is Linux")
def test_the_units_command_starts_a_relay_with_its_credentials(policy, tmp_path):
    for name, value in ENVIRONMENT.items():
        (tmp_path / name.lower()).write_text(value)
    line = next(
        line for line in (DEPLOY / "relay.service").read_text().splitlines() if line.startswith("ExecStart=")
    )
    with Started(shlex.split(line.partition("=")[2]), policy, CREDENTIALS_DIRECTORY=str(tmp_path)) as relay:
        assert relay.first_line.startswith("listening on ws://0.0.0.0:")


@pytest.mark.skipif(sys.platform == "win32", reason="the image is Linux")
def test_the_images_command_starts_a_relay_that_its_health_check_finds(policy):
    command = json.loads(instructions("ENTRYPOINT")[-1])
    check = json.loads(instructions("HEALTHCHECK")[-1].partition("CMD ")[2])
    assert check[0] == PYTHON and ":8081/" in check[-1]
    with Started(command, policy, **ENVIRONMENT) as relay:
        healthy = [sys.executable, *check[1:-1], check[-1].replace(":8081/", f":{relay.port}/")]
        assert subprocess.run(healthy, timeout=20).returncode == 0
    assert subprocess.run(healthy, stderr=subprocess.DEVNULL, timeout=20).returncode != 0, (
        "the check fails once the relay has ended"
    )


async def test_the_kubernetes_files_agree_with_the_relay(policy):
    relay = load_policy(DEPLOY / "relay.toml")
    found = resources()
    assert set(found) == {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    deployment = found["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]

    assert deployment["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "relay"
    assert found["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == deployment["replicas"]

    port = {"name": "relay", "containerPort": relay.listen.port}
    assert container["ports"] == [port] and instructions("EXPOSE") == [str(relay.listen.port)]
    assert found["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert {one["name"] for one in container["env"]} == set(ENVIRONMENT)
    assert container["volumeMounts"][0]["mountPath"] == PurePosixPath(POLICY).parent.as_posix()
    assert f"uid {pod['securityContext']['runAsUser']} " in "".join(instructions("RUN"))
    assert instructions("USER") == [str(pod["securityContext"]["runAsUser"])]

    # The relay serves the probes' paths.
    with Started(json.loads(instructions("ENTRYPOINT")[-1]), policy, **ENVIRONMENT) as started:
        for probe in ("readinessProbe", "livenessProbe"):
            path = container[probe]["httpGet"]["path"]
            reader, writer = await asyncio.open_connection("127.0.0.1", int(started.port))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            writer.close()


def test_every_stop_timeout_outlasts_the_drain(policy):
    drained = load_policy(DEPLOY / "relay.toml").operation.drain_seconds
    unit = re.search(r"^TimeoutStopSec=(\d+)$", (DEPLOY / "relay.service").read_text(), re.M)
    image = re.search(r"--stop-timeout (\d+)", (DEPLOY / "Dockerfile").read_text())
    pod = resources()["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    # Relay.close() takes at most three seconds more.
    for seconds in (int(unit[1]), int(image[1]), pod):
        assert seconds >= drained + 3
