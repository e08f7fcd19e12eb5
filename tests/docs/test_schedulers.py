"""docs/*.md: what each scheduler would start, started as it stands on its page."""

import configparser
import fcntl
import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from bench import Bench
from hook import open_hook
from nights import CANARY, Done, Nights, placed
from pages import DOCS, file_of

SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")  # as GitHub documents it


@pytest.fixture
def nights(bench: Bench) -> Iterator[Nights]:
    """A folder with the script, and a webhook."""
    with open_hook() as hook:
        made = Nights(bench, hook)
        yield made


def assert_quiet(nights: Nights) -> None:
    """Assert that a night took place, and found nothing to change."""
    assert [posted.json["command"] for posted in nights.hook.came] == ["plan"]
    assert nights.hook.only["exit_code"] == 99


def assert_changed(nights: Nights) -> None:
    """Assert that a night took place: the one change is there, and was told."""
    assert nights.team(3) == CANARY
    assert nights.bench.updates == 1
    told = [posted.json["command"] for posted in nights.hook.came]
    assert told == ["plan", "apply", "verify"]
    assert CANARY.encode() not in b"".join(posted.body for posted in nights.hook.came)


def cron(nights: Nights) -> Done:
    """Run the line of the crontab as cron does: by sh, with its own environment."""
    lines = file_of("cron.md", "crontab").splitlines()
    said = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]+=", line))
    [line] = [line for line in lines if line[0].isdigit()]
    assert "%" not in line  # which cron takes for the end of the line
    machine = nights.machine
    here = {name: machine[name] for name in ("HOME", "BATCH_UPDATER_ENDPOINT")}
    environ = {**said, **here, "PATH": f"{nights.bin}:{said['PATH']}"}
    words = ["/bin/sh", "-c", line.split(maxsplit=5)[5]]
    with nights.started(words, nights.bench.folder, environ) as process:
        out, err = process.communicate(timeout=60)
    return Done(process.returncode, out.decode(), err.decode())


def test_cron(nights: Nights) -> None:
    """The line runs a night under its lock; what is printed goes into files."""
    nights.write_environment(nights.folder)
    done = cron(nights)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert_quiet(nights)
    last = (nights.folder / "nightly.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["run_dir"].endswith("plan")


def test_cron_while_a_night_is_at_work(nights: Nights) -> None:
    """Whoever finds the lock taken does nothing, and cron mails the code."""
    nights.write_environment(nights.folder)
    with (nights.folder / "nightly.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cron(nights)
    assert done.out == "nightly: exit code 75\n"
    assert nights.hook.came == []


def service(nights: Nights) -> tuple[Path, configparser.SectionProxy]:
    """Write the units where their places are; return their folder and [Service]."""
    etc, bin_ = nights.bench.folder / "etc", nights.bench.folder / "local"
    for folder in (etc, bin_):
        folder.mkdir()
    nights.write_environment(etc)
    shutil.copy(nights.script, bin_)
    places = {
        "/etc/batch-updater": etc,
        "/usr/local/bin": bin_,
        "/srv/warehouse": nights.folder,
        "/var/lib/batch-updater": nights.folder,
    }
    unit = placed(file_of("systemd.md", "batch-updater-nightly.service"), places)
    units = nights.bench.folder / "units"
    units.mkdir()
    (units / "batch-updater-nightly.service").write_text(unit)
    timer = file_of("systemd.md", "batch-updater-nightly.timer")
    (units / "batch-updater-nightly.timer").write_text(timer)
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit)
    return units, parser["Service"]


def test_systemd(nights: Nights) -> None:
    """ExecStart runs a night in WorkingDirectory, with the variables of EnvironmentFile."""
    _, unit = service(nights)
    lines = Path(unit["EnvironmentFile"]).read_text().splitlines()
    said = dict(line.split("=", 1) for line in lines)
    done = nights.call(
        *unit["ExecStart"].split(), cwd=Path(unit["WorkingDirectory"]), environ=said
    )
    assert done.code == 0, done.err
    assert_quiet(nights)


def test_systemd_takes_the_units(nights: Nights) -> None:
    """systemd itself finds nothing wrong with service and timer, nor with the time."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    units, _ = service(nights)
    names = sorted(str(path) for path in units.iterdir())
    done = nights.call(analyze, "verify", *names)
    ours = [line for line in done.err.splitlines() if "batch-updater" in line]
    assert (done.code, ours) == (0, [])
    timer = (units / "batch-updater-nightly.timer").read_text()
    [when] = re.findall(r"^OnCalendar=(.*)$", timer, re.MULTILINE)
    assert "01:00:00 UTC" in nights.call(analyze, "calendar", when).out


# The few classes of Airflow that the DAG uses: they only take down what they are told.
STAND_IN = """
import json, sys

tasks = []

class DAG:
    def __init__(self, **said):
        assert said["dag_id"] and said["max_active_runs"] == 1
    def __enter__(self):
        return self
    def __exit__(self, *trouble):
        pass

class BashOperator:
    def __init__(self, *, task_id, bash_command, cwd, env, append_env,
                 skip_on_exit_code=99, pool="default_pool", retries=None,
                 execution_timeout=None):
        self.after = []
        self.told = dict(task_id=task_id, bash_command=bash_command, cwd=cwd, env=env,
                         skip=skip_on_exit_code, pool=pool, after=self.after)
        assert append_env
        tasks.append(self.told)
    def __rshift__(self, other):
        other.after.append(self.told["task_id"])
        return other
"""


def tasks_of(nights: Nights) -> list[dict[str, Any]]:
    """Import the DAG in a process of its own; return what its tasks were told."""
    root = nights.bench.folder / "stand-in"
    operators = root / "airflow" / "providers" / "standard" / "operators"
    operators.mkdir(parents=True)
    (root / "airflow" / "sdk.py").write_text(STAND_IN)
    (operators / "bash.py").write_text("from airflow.sdk import BashOperator")
    text = file_of("airflow.md", "batch_updater_nightly.py")
    dag = placed(text, {"/var/lib/batch-updater": nights.folder})
    (root / "dag.py").write_text(dag)
    show = "import dag, json; from airflow.sdk import tasks; print(json.dumps(tasks))"
    done = nights.call(sys.executable, "-c", show, cwd=root)
    assert done.code == 0, done.err
    tasks: list[dict[str, Any]] = json.loads(done.out)
    return tasks


def rendered(env: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return variables as Airflow would fill them in."""
    return {
        name: re.sub(r"\{\{ (.*?) \}\}", lambda found: known[found[1]], text)
        for name, text in env.items()
    }


def test_airflow(nights: Nights) -> None:
    """The tasks run as BashOperator runs them, with both streams as one: skipped on no
    change, the summary handed on, even when stderr has the last word."""
    nights.hook.answers = (404,)
    nightly, hand_on = tasks_of(nights)
    known = {"conn.frs.login": "emulator-ak", "conn.frs.password": "emulator-sk"}
    hook = {"BATCH_UPDATER_NOTIFY_URL": nights.hook.url}

    def run(task: Mapping[str, Any]) -> Done:
        environ = {**hook, **rendered(task["env"], known)}
        command = f"exec 2>&1\n{task['bash_command']}"
        return nights.call("bash", "-c", command, environ=environ)

    nights.say({3: CANARY})
    done = run(nightly)
    assert done.code == 0, done.err
    assert_changed(nights)
    known["ti.xcom_pull(task_ids='nightly')"] = done.out.splitlines()[-1]
    assert run(hand_on).code == 0
    handed = json.loads((nights.folder / "verified.jsonl").read_text())
    assert handed["run_dir"].endswith("verify")
    assert "is not posted" in done.out
    assert hand_on["after"] == ["nightly"]
    # That a night without changes ends with what NO_CHANGE says, test_nightly shows.
    assert nightly["env"]["NO_CHANGE"] == str(nightly["skip"]) == "99"
    assert nightly["cwd"] == str(nights.folder)
    assert f"pools set {nightly['pool']} 1 " in (DOCS / "airflow.md").read_text()


def container_of(nights: Nights) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return the container of the CronJob's pod, and the folder for each mount."""
    claim, job = yaml.safe_load_all(file_of("kubernetes.md", "nightly.yaml"))
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert (
        volumes["data"]["persistentVolumeClaim"]["claimName"]
        == (claim["metadata"]["name"])
    )
    mounts = {
        each["mountPath"]: nights.bench.folder / each["name"]
        for each in container["volumeMounts"]
    }
    assert {each["name"] for each in container["volumeMounts"]} == set(volumes)
    for folder in mounts.values():
        folder.mkdir()
    return container, mounts


def created(nights: Nights, mounts: Mapping[str, Path]) -> dict[str, str]:
    """Put in place what the page's kubectl lines create; return the secret's keys."""
    text = (DOCS / "kubernetes.md").read_text("utf-8")
    assert "configmap nightly --from-file=nightly.sh\n" in text
    assert "secret generic frs --from-file=credentials --from-literal=notify-" in text
    credentials = file_of("kubernetes.md", "credentials")
    for name in ("ak", "sk"):
        credentials = credentials.replace(f"{name} = ...", f"{name} = emulator-{name}")
    (mounts["/etc/frs"] / "credentials").write_text(credentials)
    shutil.copy(nights.script, mounts["/opt/nightly"])
    shutil.copy(nights.folder / "staff.csv", mounts["/data"])
    return {"notify-url": nights.hook.url}


def test_kubernetes(nights: Nights) -> None:
    """The container's command runs a night; state and nights stay on the volume."""
    container, mounts = container_of(nights)
    keys = created(nights, mounts)

    def here(text: str) -> str:
        found = next((m for m in mounts if text.startswith(m)), None)
        return text if found is None else str(mounts[found]) + text[len(found) :]

    environ = {
        each["name"]: here(each["value"])
        if "value" in each
        else keys[each["valueFrom"]["secretKeyRef"]["key"]]
        for each in container["env"]
    }
    environ["TMPDIR"] = str(mounts["/tmp"])  # noqa: S108
    done = nights.call(
        *map(here, container["command"]), cwd=Path(here("/data")), environ=environ
    )
    assert done.code == 0, done.err
    assert_quiet(nights)
    assert {path.name for path in mounts["/data"].iterdir()} == {
        "nights",
        "staff.csv",
        "state",
    }
    assert container["workingDir"] == "/data"


def test_github_actions(nights: Nights) -> None:
    """Each `run` works by GitHub's shell; what is kept as an artifact holds no value."""
    name = ".github/workflows/nightly.yaml"
    workflow = yaml.safe_load(file_of("github-actions.md", name))
    assert workflow[True]["schedule"]  # YAML 1.1 takes `on` for a boolean
    assert workflow["concurrency"]["cancel-in-progress"] is False
    job = workflow["jobs"]["nightly"]
    assert job["defaults"]["run"]["shell"] == "bash"
    assert job["defaults"]["run"]["working-directory"] == "${{ vars.NIGHTLY }}"
    output = nights.bench.folder / "output"
    known = {
        "secrets.FRS_AK": "emulator-ak",
        "secrets.FRS_SK": "emulator-sk",
        "secrets.NOTIFY_URL": nights.hook.url,
        "vars.NIGHTLY": str(nights.folder),
    }

    def filled(texts: Mapping[str, str]) -> dict[str, str]:
        return {
            key: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: known[found[1]], text)
            for key, text in texts.items()
        }

    nights.say({3: CANARY})
    *steps, upload = job["steps"]
    for step in steps:
        environ = filled(job["env"] | step.get("env", {}))
        file = nights.write("step.sh", step["run"])
        environ["GITHUB_OUTPUT"] = str(output)
        done = nights.call(*SHELL, str(file), environ=environ)
        assert done.code == 0, done.err
    assert_changed(nights)
    handed = json.loads(output.read_text().removeprefix("summary="))
    assert handed["run_dir"].endswith("verify")
    kept = Path(filled(upload["with"] | {"retention-days": ""})["path"])
    files = [path for path in kept.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"run.json", "summary.json", "results.csv"}
    assert CANARY.encode() not in b"".join(path.read_bytes() for path in files)
