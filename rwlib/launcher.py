"""``make lab``: JupyterLab on loopback, opened on ``runbook.ipynb``, beside a sandbox.

Works on copies of the notebooks under ``runs/lab``, which Git ignores: what a person runs there,
real account ids included, never reaches the notebooks that are stored. Nothing is fetched: the
news, the extension manager and the check for updates are switched off. ``--app`` serves the same
notebooks with Voilà, as pages without code.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from types import FrameType

from rwlib.environment import AWS, FOLDER, SANDBOX, prepare_switch
from rwlib.errors import RunbookError
from rwlib.headless import notebook_path
from rwlib.kernels import NAME, kernels_beside
from rwlib.page_scripts import APP, LAB, joined_scripts, lab_folder
from rwlib.report import quick_jsonschema
from rwlib.runs import file_hash
from rwlib.widgets import GUIDED

START = "runbook.ipynb"
_SERVING = "rwlib.kernels.serving"
# What nobody needs for these notebooks, and every page would wait for.
_NOT_IN_THE_LAB = (
    "@jupyterlab/application-extension:faviconbusy",
    "@jupyterlab/apputils-extension:announcements",
    "@jupyterlab/apputils-extension:splash",
    "@jupyterlab/cell-toolbar-extension",
    "@jupyterlab/completer-extension:inline-completer",
    "@jupyterlab/completer-extension:inline-completer-factory",
    "@jupyterlab/completer-extension:inline-history",
    "@jupyterlab/console-extension",
    "@jupyterlab/csvviewer-extension:tsv",
    "@jupyterlab/notebook-extension:code-console",
    "@jupyterlab/notebook-extension:log-output",
    "@jupyterlab/tooltip-extension:consoles",
    "@jupyterlab/tooltip-extension:files",
    "@jupyterlab/workspaces-extension",
    "@jupyterlab/celltags-extension",
    "@jupyterlab/debugger-extension",
    "@jupyterlab/extensionmanager-extension",
    "@jupyterlab/hub-extension",
    "@jupyterlab/inspector-extension",
    "@jupyterlab/logconsole-extension",
    "@jupyterlab/lsp-extension",
    "@jupyterlab/metadataform-extension",
    "@jupyterlab/notebook-extension:tools",
    "@jupyterlab/pluginmanager-extension",
    "@voila-dashboards/jupyterlab-preview",
)
_APP_TEMPLATE = "rwlib"
# The page would fetch and begin an extension that is disabled all the same, and leave it there.
_ONLY_ENABLED = (
    "{% set _ = page_config_full.update(federated_extensions=page_config.federated_extensions"
    " | rejectattr('name', 'in', page_config.disabledExtensions or []) | list) %}"
)
# What JupyterLab asks for before a notebook stands there, the slowest answers of all.
_ASKED_FIRST = (
    f"lab/tree/{START}",
    "lab/api/settings",
    "lab/api/translations/default",
    "api/kernelspecs",
    "api/sessions",
    "api/contents?content=1",
    f"api/contents/{START}?type=notebook&content=1&hash=1",
    f"api/contents/{START}/checkpoints",
    "api/nbconvert",
)
# The address is printed then all the same, and the page shows how far it has come.
_MADE_WITHIN = 30.0
# No proxy stands between this machine and itself.
_LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def lab_command(folder: Path, port: int, *, browser: bool) -> list[str]:
    """Return the command that serves a folder of notebooks in JupyterLab.

    The token comes from the environment (``JUPYTER_TOKEN``): every user of the machine can read a
    command line.
    """
    return [
        *(sys.executable, "-m", _SERVING, "jupyterlab"),
        *_server_options(folder, port, browser=browser),
        f"--LabApp.default_url=/lab/tree/{START}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--LabApp.news_url=",
        # Lets a browser test ask whether the kernel is idle; reads nothing from outside.
        "--LabApp.expose_app_in_browser=True",
    ]


def _server_options(folder: Path, port: int, *, browser: bool) -> list[str]:
    options = [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--ServerApp.open_browser={browser}",
        "--ServerApp.terminals_enabled=True",
    ]
    return [*options, "--allow-root"] if os.geteuid() == 0 else options


def app_command(folder: Path, port: int, *, browser: bool, tell: int | None = None) -> list[str]:
    """Return the command that serves the same notebooks with Voilà, without their code.

    The file descriptor ``tell`` is closed when the first page is made.
    ``auto_token`` leaves the token to Jupyter's identity provider, which takes ``JUPYTER_TOKEN``;
    without it Voilà asks for none.
    """
    return [
        *(sys.executable, "-m", _SERVING),
        *([] if tell is None else ["--tell", str(tell)]),
        *("voila", str(folder)),
        "--Voila.ip=127.0.0.1",
        f"--port={port}",
        f"--Voila.open_browser={browser}",
        f"--template={_APP_TEMPLATE}",
        "--VoilaConfiguration.strip_sources=True",
        "--VoilaConfiguration.show_tracebacks=False",
        "--VoilaConfiguration.file_allowlist=.*\\.(png|jpg|svg)",
        "--Voila.auto_token=True",
    ]


def jupyter_environment(runs: Path) -> dict[str, str]:
    """Return an environment in which Jupyter has folders of its own and calls nobody.

    What a person has set up for another JupyterLab stays out of this one, and the other way
    round.
    """
    home = runs / "lab" / "jupyter"
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
    }
    for path in folders.values():
        path.mkdir(parents=True, exist_ok=True)
    shown = home / "data" / "voila" / "templates" / _APP_TEMPLATE
    shown.mkdir(parents=True, exist_ok=True)
    page = resources.files("rwlib").joinpath("templates", "voila", "index.html.j2")
    (shown / "index.html.j2").write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    _write_json(shown / "conf.json", {"base_template": "lab"})
    _write_json(home / "config" / "voila.json", _page_ahead())
    _write_json(
        home / "config" / "labconfig" / "page_config.json",
        {
            "disabledExtensions": dict.fromkeys(_NOT_IN_THE_LAB, True),
            # Whether extensions are to be built in, which Node.js is started to find out.
            "buildAvailable": False,
            "buildCheck": False,
        },
    )
    # Cells that are scrolled away stay in the page, so that "find" and screen readers see them,
    # and the browser draws them when they come into sight.
    _write_json(
        home / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings",
        {"windowingMode": "contentVisibility"},
    )
    return {
        **{name: str(path) for name, path in folders.items()},
        FOLDER: str(runs / "lab"),
        "JUPYTER_PLATFORM_DIRS": "1",
        # As it is in a virtual environment; unsaid, its owner is looked up at every page.
        "JUPYTER_PREFER_ENV_PATH": "1",
    }


def join_scripts(runs: Path, page: str) -> list[str]:
    """Write the page's scripts as one, and return the options with which it is asked for."""
    home = runs / "lab" / "jupyter"
    scripts = joined_scripts(page)
    if page == APP:
        static = home / "data" / "voila" / "templates" / _APP_TEMPLATE / "static"
        static.mkdir(parents=True, exist_ok=True)
        (static / "scripts.js").write_bytes(scripts)
        return []
    folder = lab_folder()
    if not scripts or folder is None:
        return []
    static, pages = home / "static" / "rwlib", home / "pages"
    for each in (static, pages):
        each.mkdir(parents=True, exist_ok=True)
    (static / "scripts.js").write_bytes(scripts)
    index = (folder / "static" / "index.html").read_text(encoding="utf-8")
    own = '<script defer="defer" src="{{ base_url | escape }}static/rwlib/scripts.js"></script>'
    first = '<script defer="defer"'
    index = index.replace(first, own + first, 1)
    config = '<script id="jupyter-config-data"'
    index = index.replace(config, _ONLY_ENABLED + config, 1)
    (pages / "index.html").write_text(index, encoding="utf-8")
    return [
        f"--LabApp.app_dir={folder}",
        f"--LabApp.templates_dir={pages}",
        f"--ServerApp.extra_static_paths={static.parent}",
    ]


def _page_ahead() -> dict[str, object]:
    """Return Voilà's configuration that has one page ready before anybody asks for it.

    Only the page that is opened first; it looks again at everything when somebody opens it. The
    next one is made when the first has been drawn, or the two would stand in each other's way.
    https://voila.readthedocs.io/en/stable/customize.html#preheated-kernels
    """
    pool = {"pool_size": 1, "kernel_env_variables": {GUIDED: "1"}}
    return {
        "VoilaConfiguration": {
            "preheat_kernel": True,
            "extension_denylist": ["jupyterlab_pygments"],
        },
        "VoilaKernelManager": {
            "kernel_pools_config": {"default": {"pool_size": 0}, START: pool},
            "fill_delay": 20,
        },
    }


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def copy_notebooks(source: Path, folder: Path) -> list[Path]:
    """Copy the notebooks, labs included, that are new or have changed; return the copies.

    Never writes over a copy that somebody edited or ran: it stays as it is, and the changed
    notebook is put beside it as ``NAME.new.ipynb``.
    """
    copies = []
    index = folder / ".copied.json"
    copied: dict[str, str] = json.loads(index.read_text(encoding="utf-8")) if index.exists() else {}
    for path in sorted(source.rglob("*.ipynb")):
        inside = path.relative_to(source)
        if any(part.startswith(".") for part in inside.parts) or inside.parts[0] == "runs":
            continue
        copy = folder / inside
        copy.parent.mkdir(parents=True, exist_ok=True)
        wanted, known = file_hash(path), copied.get(inside.as_posix(), "")
        if not copy.exists() or (known != wanted and file_hash(copy) == known):
            shutil.copyfile(path, copy)
        elif known and known != wanted:
            copy = copy.with_suffix(".new.ipynb")
            shutil.copyfile(path, copy)
        copied[inside.as_posix()] = wanted
        copies.append(copy)
    if copies:
        _write_json(index, copied)
    return copies


def copy_packaged(folder: Path) -> list[Path]:
    """Copy this package's notebooks into a folder; see `copy_notebooks`."""
    return copy_notebooks(notebook_path(START).parent, folder)


def trust(notebooks: list[Path], environment: Mapping[str, str]) -> None:
    """Mark the copies as trusted: they are this package's own, and their outputs are shown."""
    quick_jsonschema()  # which nbformat imports
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary(data_dir=environment["JUPYTER_DATA_DIR"])  # type: ignore[no-untyped-call]
    for path in notebooks:
        notary.sign(nbformat.read(path, as_version=4))  # type: ignore[no-untyped-call]


@contextmanager
def sandbox_beside(runs: Path) -> Iterator[dict[str, str]]:
    """Run a sandbox that remembers its world until it is thrown away, and give its environment.

    Where another server of the same folder runs one already, such as JupyterLab beside the app,
    it is shared: what is done on one page is seen on the other.
    """
    from rwlib.sandbox import Spawned, in_use, need_packages

    need_packages()
    folder = runs / "lab"
    state = folder / "sandbox"
    shared = _running_sandbox(folder) if state.is_dir() and in_use(state) else {}
    if shared:
        sys.stderr.write(
            f"Shares the sandbox that another server of {runs} has started, and that ends with "
            "that server.\n"
        )
        yield shared
        return
    with Spawned(state=state) as box:
        prepare_switch(folder, box.environment())
        yield box.environment()


def _running_sandbox(folder: Path) -> dict[str, str]:
    """Return the environment of the sandbox that another server started, empty where none does."""
    for _ in range(50):  # it may be starting just now
        with suppress(OSError, ValueError, KeyError):
            found: dict[str, str] = json.loads((folder / "sandbox.json").read_text("utf-8"))
            with suppress(urllib.error.HTTPError):  # which is an answer
                _LOCAL.open(found["AWS_ENDPOINT_URL"], timeout=5).close()
            return found
        time.sleep(0.1)
    return {}


def free_port() -> int:
    """Return a loopback port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: list[str] | None = None) -> int:
    """Serve the notebooks until Ctrl-C."""
    options = _parser().parse_args(arguments)
    if options.token and arguments is None:
        _begin_again_without(options.token)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)
    runs = Path(options.runs).resolve()
    module = "voila" if options.app else "jupyterlab"
    try:
        _require(module, "app" if options.app else "lab")
        place = runs / "lab" / "kernels" / str(os.getpid())
        with kernels_beside(place) as kernels, sandbox_beside(runs) as sandbox:
            return _serve(options, runs, sandbox, kernels)
    except RunbookError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 0


def _serve(
    options: argparse.Namespace,
    runs: Path,
    sandbox: Mapping[str, str],
    kernels: Mapping[str, str],
) -> int:
    chosen = AWS if options.aws else SANDBOX if options.sandbox else ""
    prepare_switch(runs / "lab", sandbox, chosen)
    own = jupyter_environment(runs)
    folder = runs / "lab" / "notebooks"
    source = Path(options.notebooks) if options.notebooks else notebook_path(START).parent
    trust(copy_notebooks(source, folder), own)
    token = options.token or os.environ.get("JUPYTER_TOKEN", "") or secrets.token_urlsafe(24)
    port = options.port or free_port()
    made, tell = os.pipe()
    if options.app:
        command = app_command(folder, port, browser=options.browser, tell=tell)
    else:
        command = lab_command(folder, port, browser=options.browser)
    command += join_scripts(runs, LAB if not options.app else APP)
    path = f"voila/render/{START}" if options.app else f"lab/tree/{START}"
    environment = {**os.environ, **own, **kernels, "JUPYTER_TOKEN": token}
    server = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, pass_fds=(tell,) if options.app else ()
    )
    os.close(tell)
    try:
        if _answers(server, f"http://127.0.0.1:{port}"):
            if options.app:
                # Readable when its other end is closed: the page is made, or the server ended.
                select.select([made], [], [], _MADE_WITHIN)
            else:
                _ask_once(f"http://127.0.0.1:{port}", _ASKED_FIRST, token)
                _start_kernel(f"http://127.0.0.1:{port}", token)
            sys.stdout.write(f"http://127.0.0.1:{port}/{path}?token={token}\n")
            sys.stdout.flush()
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        os.close(made)
        _end(server)


def _answers(server: subprocess.Popen[bytes], base: str) -> bool:
    """Wait until the server answers; False when it ended before it did."""
    while server.poll() is None:
        try:
            _LOCAL.open(f"{base}/api", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def _ask_once(base: str, paths: Iterable[str], token: str) -> None:
    """Let the server do now what it does at its first answer: templates, schemas, imports."""
    for path in paths:
        request = urllib.request.Request(f"{base}/{path}")
        request.add_header("Authorization", f"token {token}")
        # What cannot be had is the page's to say.
        with suppress(OSError):
            _LOCAL.open(request, timeout=30).close()


def _start_kernel(base: str, token: str) -> None:
    """Start the first notebook's kernel, which JupyterLab takes up when it opens the notebook.

    As JupyterLab itself starts it; nothing is run in it.
    https://jupyter-server.readthedocs.io/en/stable/developers/rest-api.html#post--api-sessions
    """
    session = {"path": START, "name": START, "type": "notebook", "kernel": {"name": NAME}}
    request = urllib.request.Request(f"{base}/api/sessions", json.dumps(session).encode())
    request.add_header("Authorization", f"token {token}")
    with suppress(OSError):  # the page starts one then
        _LOCAL.open(request, timeout=30).close()


def _begin_again_without(token: str) -> None:
    """Take a token that was given as an option out of the process title."""
    given = iter(sys.argv[1:])
    kept: list[str] = []
    for argument in given:
        if argument == "--token":
            next(given, None)
        elif not argument.startswith("--token="):
            kept.append(argument)
    command = [sys.executable, "-m", "rwlib.launcher", *kept]
    os.execve(sys.executable, command, {**os.environ, "JUPYTER_TOKEN": token})


def _end(server: subprocess.Popen[bytes]) -> None:
    """Let the server end its kernels, and leave no process behind."""
    server.terminate()
    try:
        server.wait(timeout=15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _require(module: str, extra: str) -> None:
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise RunbookError(
            f"{module} is not installed; install it with "
            f"`pip install 'risingwave-iam-runbook[{extra}]'`"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rwlib.launcher", description=__doc__, allow_abbrev=False
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--sandbox", action="store_true", help="Work in the sandbox (the first time)"
    )
    place.add_argument("--aws", action="store_true", help="Work in AWS, with your credentials")
    parser.add_argument("--app", action="store_true", help="Serve pages without code, with Voilà")
    parser.add_argument("--port", type=int, default=0, help="Port; 0 takes a free one")
    parser.add_argument("--token", default="", help="Token; better in JUPYTER_TOKEN")
    parser.add_argument("--notebooks", default="", help="Folder of the notebooks")
    parser.add_argument("--runs", default="runs", help="Folder of runs, inputs and copies")
    parser.add_argument(
        "--no-browser", dest="browser", action="store_false", help="Do not open a browser"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
