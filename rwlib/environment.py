"""Where the calls go: a sandbox on this machine, an emulator, or AWS itself.

``make lab`` and ``make app`` start a sandbox beside the notebooks and leave two files for them:
the sandbox's environment, and the place that was chosen in ``00_start_here.ipynb``.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rwlib.errors import InputError

FOLDER = "RWLIB_PLACES"
SANDBOX, AWS = "sandbox", "aws"
# Whatever leads to an account, a cluster or a database that is no sandbox: the only list of it.
_REAL_WORLD = ("AWS_", "RWC_", "RW_")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_ONE_RUN = ("RWLIB_TARGET", "RWLIB_RUN_DIR", "RWLIB_APPROVED")
HEADER = "# The inputs as they were last typed into the form, which rewrites this file."
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Destination:
    """Where the calls go, in words.

    Parameters
    ----------
    real
        True when changes are made to a real AWS account.
    """

    title: str
    text: str
    real: bool


def describe_endpoint(
    caller_arn: str = "", environ: Mapping[str, str] | None = None
) -> Destination:
    """Say where calls go with this environment, and who makes them."""
    values = os.environ if environ is None else environ
    endpoint = values.get("AWS_ENDPOINT_URL", "")
    who = f" as {caller_arn}" if caller_arn else ""
    if urlsplit(endpoint).hostname in _LOOPBACK:
        return Destination("Sandbox on this machine.", f"Nothing real is touched; calls go{who} to "
                     f"{endpoint}.", False)  # fmt: skip
    if endpoint:
        return Destination("Another endpoint.", f"Calls go{who} to {endpoint}.", True)
    account = f" {caller_arn.split(':')[4]}" if caller_arn else ""
    return Destination(f"Real AWS account{account}.", f"Apply changes it{who}.", True)


class EndpointSwitch:
    """The choice between the sandbox beside the notebooks and AWS.

    Parameters
    ----------
    folder
        Folder with ``sandbox.json``, the sandbox's environment, and ``chosen``.
    environ
        The environment to change, this process's own by default.
    """

    def __init__(self, folder: Path, environ: MutableMapping[str, str] | None = None) -> None:
        self.folder = folder
        self._environ = os.environ if environ is None else environ
        self._own = {name: value for name, value in self._environ.items() if is_real_world(name)}

    @classmethod
    def from_environment(cls) -> EndpointSwitch | None:
        """Return the switch that ``make lab`` left, None where there is none."""
        folder = os.environ.get(FOLDER, "")
        return cls(Path(folder)) if folder and (Path(folder) / "sandbox.json").is_file() else None

    @property
    def chosen(self) -> str:
        """``sandbox`` or ``aws``; the sandbox until somebody chose."""
        try:
            text = (self.folder / "chosen").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return SANDBOX
        return AWS if text == AWS else SANDBOX

    def choose(self, place: str) -> None:
        """Remember the choice for every notebook, and make this process follow it."""
        (self.folder / "chosen").write_text(f"{place}\n", encoding="utf-8")
        self.follow()

    def follow(self) -> None:
        """Point this process at the chosen place; a real profile never meets the sandbox."""
        wanted = dict(self._own)
        if self.chosen == SANDBOX:
            wanted = json.loads((self.folder / "sandbox.json").read_text(encoding="utf-8"))
        for name in [name for name in self._environ if is_real_world(name)]:
            del self._environ[name]
        self._environ.update(wanted)
        runs = self.folder.parent
        self._environ["RWLIB_RUNS"] = str(runs / SANDBOX if self.chosen == SANDBOX else runs)
        self._environ["RWLIB_TARGET"] = str(self.folder / f"{self.chosen}.yaml")


def prepare_switch(folder: Path, sandbox_environment: Mapping[str, str], chosen: str = "") -> None:
    """Write the files of a `EndpointSwitch`; inputs typed before are kept."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps(dict(sandbox_environment), indent=2)
    (folder / "sandbox.json").write_text(text + "\n", encoding="utf-8")
    for name in (SANDBOX, AWS):
        path = folder / f"{name}.yaml"
        if not path.exists():
            path.write_text(f"{HEADER}\n{{}}\n", encoding="utf-8")
    if chosen:
        (folder / "chosen").write_text(f"{chosen}\n", encoding="utf-8")


def is_real_world(name: str) -> bool:
    """Say whether a variable leads out of a sandbox: keys, endpoints, databases and proxies."""
    return name.startswith(_REAL_WORLD) or name.upper() in PROXIES


def without_real_world(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what leads out of a sandbox, for a process of its own."""
    return {name: value for name, value in environ.items() if not is_real_world(name)}


def enter_sandbox(environment: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """Point an environment at a sandbox, and take out of it whatever leads elsewhere."""
    for name in [name for name in environ if is_real_world(name) or name in _ONE_RUN]:
        del environ[name]
    environ.update(environment)


@contextmanager
def only_sandbox(environment: Mapping[str, str]) -> Iterator[None]:
    """Point this process at a sandbox, and at nothing else, for a while."""
    with changed_environment({}):
        enter_sandbox(environment, os.environ)
        yield


@contextmanager
def changed_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for a while; what changes in between is undone too."""
    before = dict(os.environ)
    try:
        os.environ.update(values)
        yield
    finally:
        # Name by name: what did not change is there all the while for the other threads.
        for name in [name for name in os.environ if name not in before]:
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


def environment_text(environment: Mapping[str, str], as_json: bool) -> str:
    """Write an environment as one line of JSON or as lines for a shell."""
    if as_json:
        return json.dumps(environment) + "\n"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return "\n".join(lines) + "\n"


def notebook_path(name: str) -> Path:
    """Return the path of one of the notebooks: those of a checkout, else the packaged ones.

    ``RWLIB_NOTEBOOKS`` names another folder.

    Raises
    ------
    InputError
        The notebooks are not where the package expects them.
    """
    given = os.environ.get("RWLIB_NOTEBOOKS", "")
    package = Path(__file__).resolve().parent
    folders = [Path(given)] if given else [package.parent / "notebooks", package / "notebooks"]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    if given:
        raise InputError("RWLIB_NOTEBOOKS", given, f"has no {name}; name the folder that has it")
    raise InputError(
        "RWLIB_NOTEBOOKS",
        given,
        f"is empty and {name} is not installed; install the package again",
        reason="empty",
    )
