"""The files under cluster/deploy: valid by the schemas of those who read them, and their commands are real."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from typer.main import get_command

from t2t_dist.cli.main import app
from t2t_dist.config.loading import load_config
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE_S

DEPLOY = ROOT / "cluster" / "deploy"


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text("utf-8")))


# -- schemas -----------------------------------------------------------------------------------------------------------
def test_the_workflow_by_the_schema_of_github_workflows() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.github-workflows",
            str(DEPLOY / "github-actions.yaml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_cluster_of_ray_up_by_rays_own_schema() -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text("utf-8"))
    (cluster,) = documents("ray-up.yaml")
    jsonschema.validate(cluster, schema)
    assert {"head", "rollout", "engines"} == set(cluster["available_node_types"])
    assert cluster["head_node_type"] in cluster["available_node_types"]


TEXT, COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


AMOUNTS = {"type": "object", "additionalProperties": {"type": "string"}}
CONTAINER = closed(
    ["name", "image", "resources"],
    name=TEXT,
    image=TEXT,
    resources=closed(["requests", "limits"], requests=AMOUNTS, limits=AMOUNTS),
    envFrom={
        "type": "array",
        "items": closed(["secretRef"], secretRef=closed(["name"], name=TEXT, optional={"type": "boolean"})),
    },
    volumeMounts={
        "type": "array",
        "items": closed(["name", "mountPath"], name=TEXT, mountPath=TEXT, readOnly={"type": "boolean"}),
    },
)
POD = closed(
    ["spec"],
    spec=closed(
        ["containers"],
        containers={"type": "array", "minItems": 1, "items": CONTAINER},
        volumes={"type": "array", "items": closed(["name"], name=TEXT, configMap=closed(["name"], name=TEXT))},
        terminationGracePeriodSeconds=COUNT,
    ),
)
#: Ours, after KubeRay's custom resource (ray.io/v1), trimmed to the fields that the manifest uses; types, enumerations
#: and required fields are KubeRay's. The manifest passes the whole of KubeRay's too, which is 3 MB and not kept here.
RAYJOB = closed(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=closed(["name"], name={"type": "string", "pattern": "^[a-z0-9-]{1,47}$"}),
    spec=closed(
        ["entrypoint", "rayClusterSpec"],
        entrypoint=TEXT,
        runtimeEnvYAML=TEXT,
        shutdownAfterJobFinishes={"type": "boolean"},
        ttlSecondsAfterFinished=COUNT,
        backoffLimit=COUNT,
        rayClusterSpec=closed(
            ["headGroupSpec"],
            rayVersion=TEXT,
            enableInTreeAutoscaling={"type": "boolean"},
            autoscalerOptions=closed([], idleTimeoutSeconds=COUNT),
            authOptions=closed([], mode={"enum": ["disabled", "token"]}),
            headGroupSpec=closed(["template"], rayStartParams=AMOUNTS, template=POD),
            workerGroupSpecs={
                "type": "array",
                "items": closed(
                    ["groupName", "maxReplicas", "minReplicas", "template"],
                    groupName=TEXT,
                    replicas=COUNT,
                    minReplicas=COUNT,
                    maxReplicas=COUNT,
                    rayStartParams=AMOUNTS,
                    template=POD,
                ),
            },
        ),
    ),
)


def test_the_rayjob_by_what_kuberay_takes(tmp_path: Path) -> None:
    settings, job = documents("kuberay-rayjob.yaml")
    jsonschema.validate(job, RAYJOB)
    spec = job["spec"]
    for group in spec["rayClusterSpec"]["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    head = spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    assert head["volumes"][0]["configMap"]["name"] == settings["metadata"]["name"]
    folder = head["containers"][0]["volumeMounts"][0]["mountPath"]
    words = shlex.split(spec["entrypoint"])
    assert words[words.index("--config") + 1] == f"{folder}/run.yaml"
    file = tmp_path / "run.yaml"
    file.write_text(settings["data"]["run.yaml"])
    assert load_config(str(file), {}).trajectories == 100_000
    assert int(yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) > 3


# -- commands ----------------------------------------------------------------------------------------------------------
PAGES = [*sorted(DEPLOY.glob("*")), ROOT / "docs" / "cluster.md", ROOT / "README.md"]


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_file()], ids=lambda page: page.name)
def test_every_flag_of_a_t2t_command_is_one(page: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    text = re.sub(r"\\?\n\s*(?:#\s*)?(?=--)", " ", page.read_text("utf-8"))
    for name, rest in re.findall(r"\bt2t (generate|submit|status|evaluate)\b([^\n`]*)", text):
        known = {flag for option in commands[name].params for flag in [*option.opts, *option.secondary_opts]}
        flags = set(re.findall(r"(?<=\s)--[a-z-]+", rest))
        assert flags <= known, (name, flags - known)


# -- Slurm: its script with commands that stand in for Slurm's and Ray's -----------------------------------------------
STANDINS = {
    "scontrol": 'echo "scontrol $*" >> "$SEEN"; [ "$1" = show ] && printf "n1\\nn2\\nn3\\n"; true',
    "srun": ('echo "srun $*" >> "$SEEN"; case "$*" in *hostname*) echo 10.0.0.1;; *"ray start"*) exec sleep 60;; esac'),
    "ray": "true",
    "t2t": (
        'echo "t2t $* at $RAY_ADDRESS" >> "$SEEN"; [ -n "$RAY_AUTH_TOKEN" ] || exit 9;'
        ' trap "kill \\$on; sleep 0.5; exit 75" TERM;'
        # A run does not end before its workers have been started, however fast it fails.
        ' until [ "$(grep -c "ray start" "$SEEN")" -ge 3 ]; do sleep 0.05; done;'
        ' [ -z "${SLOW:-}" ] || { touch "$SEEN.on"; sleep 20 2>/dev/null & on=$!; wait; };'
        ' exit "${CODE:-0}"'
    ),
}


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a batch script."""
    binaries = tmp_path / "venv" / "bin"
    binaries.mkdir(parents=True)
    for name, body in STANDINS.items():
        (binaries / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (binaries / name).chmod(0o755)
    (binaries / "activate").write_text("")
    path = f"{binaries}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    job = {"SLURM_JOB_ID": "77", "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_CPUS_PER_TASK": "16"}
    return {**os.environ, **job, "PATH": path, "T2T_VENV": str(tmp_path / "venv"), "SEEN": str(tmp_path / "seen")}


def sbatch(environment: dict[str, str]) -> subprocess.Popen[str]:
    command = ["bash", str(DEPLOY / "slurm.sbatch"), "--config", "run.yaml", "--out", "/shared/run"]
    return subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE, start_new_session=True)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_slurm_exits_as_the_run_does(code: int, slurm: dict[str, str]) -> None:
    script = sbatch({**slurm, "CODE": str(code)})
    _, stderr = script.communicate(timeout=PATIENCE_S)
    assert script.returncode == code, stderr
    seen = Path(slurm["SEEN"]).read_text()
    started = [line for line in seen.splitlines() if "ray start" in line]
    assert sum("--head" in line for line in started) == 1
    assert sorted(re.findall(r"-w (n\d)", "".join(started))) == ["n1", "n2", "n3"]
    assert "t2t generate --config run.yaml --out /shared/run --json at 10.0.0.1:20077" in seen
    assert "requeue" not in seen


def test_slurm_drains_before_the_time_is_up_and_is_queued_again(slurm: dict[str, str]) -> None:
    script = sbatch({**slurm, "SLOW": "1"})
    deadline = time.monotonic() + PATIENCE_S
    while not Path(slurm["SEEN"] + ".on").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    script.send_signal(signal.SIGTERM)
    _, stderr = script.communicate(timeout=PATIENCE_S)
    assert script.returncode == 75, stderr
    assert "scontrol requeue 77" in Path(slurm["SEEN"]).read_text()
