"""What the repository promises about itself."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
import tomllib

import pytest
import yaml

from rwlib.target.target import Target
from tests.support import places, tree

ROOT = places.ROOT
EXAMPLE_ACCOUNTS = {
    "111122223333",
    "444455556666",
    "777788889999",
    "123456789012",
    "999999999999",
    "888888888888",
    "111111111111",
    "222222222222",
    "333333333333",
}


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def requirement(text):
    name, _, extras_and_bounds = re.match(r"([A-Za-z0-9_.-]+)(\[[^\]]*\])?(.*)", text).groups()
    return name.lower(), extras_and_bounds


def test_environment_yml_follows_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = dict(map(requirement, project["dependencies"]))
    for extra in ("sandbox", "lab", "test"):
        wanted |= dict(map(requirement, project["optional-dependencies"][extra]))
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    given = dict(requirement(each) for each in environment["dependencies"] if isinstance(each, str))
    assert given.pop("python") == project["requires-python"]
    given.pop("pip")
    assert given == wanted


def test_constraints_pin_every_direct_dependency_and_name_no_registry():
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    assert "@" not in text
    pinned = {line.split("==")[0].lower() for line in text.splitlines() if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = [*project["dependencies"]]
    for extra in ("sandbox", "test", "lint"):
        direct += project["optional-dependencies"][extra]
    missing = {requirement(each)[0] for each in direct} - pinned
    assert missing == set()


def test_sandbox_brings_what_its_sinks_write_with():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = extras["optional-dependencies"]
    assert set(extras["files"]) <= set(extras["sandbox"])


def test_installed_versions_fit_the_declared_bounds():
    from importlib import metadata

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        needed = Requirement(text)
        assert metadata.version(needed.name) in needed.specifier, text


def test_tracked_files_hold_no_path_of_a_machine():
    here = re.escape(f"{ROOT}/")
    home = re.compile(rf"/(?:home|root|Users)/[A-Za-z0-9._-]+/|{here}|file:///opt/")
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path.suffix not in {".png", ".svg"} and path.name != "test_project.py" and path.is_file()
        if (match := home.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


@pytest.mark.parametrize("where", ["notebooks", "examples", "README.md", "docs"])
def test_published_files_hold_example_accounts_only(where):
    found = {}
    for path in tracked(where):
        if path.suffix in {".png", ".svg"}:
            continue
        text = path.read_text(encoding="utf-8")
        arns = set(re.findall(r"arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:(\d{12}):", text))
        if arns - EXAMPLE_ACCOUNTS:
            found[path.name] = arns - EXAMPLE_ACCOUNTS
    assert found == {}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_example_is_a_valid_target(path):
    assert Target.from_file(path).bucket.startswith("acme-")


def test_every_connector_has_an_example():
    from rwlib.target.rules.names import CONNECTORS

    shown = {
        name
        for path in (ROOT / "examples").glob("*.yaml")
        for name in Target.from_file(path).connectors
    }
    assert shown == set(CONNECTORS)


@pytest.mark.parametrize("arguments", [["--help"], ["sql", "--help"], ["sql", "--target", "T"]])
def test_start_up_imports_nothing_heavy(arguments, tmp_path):
    target = tmp_path / "T.yaml"
    target.write_text((ROOT / "examples" / "redshift.yaml").read_text())
    arguments = [str(target) if each == "T" else each for each in arguments]
    code = (
        "import sys\nfrom rwlib.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as e:\n    assert e.code == 0, e.code\n"
        "heavy = ['boto3', 'botocore', 'papermill', 'IPython', 'jupyter_client', 'nbformat',"
        " 'ipykernel', 'ipywidgets', 'moto', 'flask', 'importlib.metadata']\n"
        "print('LOADED', [name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert "LOADED []" in done.stdout, done.stdout[-500:] + done.stderr[-500:]


def test_report_schema_is_itself_valid():
    import jsonschema

    schema = json.loads((ROOT / "rwlib" / "data" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)


def forgotten_prefixes(source, code=None):
    """Lines of f-strings in which one part has a placeholder and no prefix."""
    lines = []
    # Columns count bytes, and `ast.get_source_segment` would divide the file for every node.
    rows = source.encode().split(b"\n")
    for node in ast.walk(code or ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            within = rows[node.lineno - 1 : node.end_lineno]
            within[-1] = within[-1][: node.end_col_offset]
            within[0] = within[0][node.col_offset :]
            text = "(" + b"\n".join(within).decode() + ")"
            plain = [
                each.string
                for each in tokenize.generate_tokens(io.StringIO(text).readline)
                if each.type == tokenize.STRING and each.string[0] in "\"'"
            ]
            if any(re.search(r"\{[A-Za-z_][^{}\s]*\}", part) for part in plain):
                lines.append(node.lineno)
    return lines


def test_forgotten_prefix_is_found():
    assert forgotten_prefixes('(f"{a} calls, "\n"{int(b.lowest)}")') == [1]
    assert forgotten_prefixes('(f"{a} é", "é", f"{b} é " "{c}")') == [1]
    assert forgotten_prefixes('f"{a} of {{name}}"') == []


@pytest.mark.slow
def test_no_part_of_an_f_string_lacks_its_prefix():
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in tracked("rwlib/*.py", "docs/*.py", "benchmarks/*.py")
        for line in forgotten_prefixes(path.read_text(encoding="utf-8"), tree.parsed(path))
    }
    assert found == set()
