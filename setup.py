"""What pyproject.toml cannot say: the notebooks and examples are folders of the package too."""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = {"rwlib.notebooks": "notebooks", "rwlib.examples": "examples"}

packages = {
    ".".join([package, *path.relative_to(folder).parts]): path.as_posix()
    for package, folder in FOLDERS.items()
    for path in [Path(folder), Path(folder) / "labs"]
    if path.is_dir()
}

setup(
    packages=[*find_packages(include=["rwlib", "rwlib.*"]), *packages],
    package_dir=packages,
    package_data={package: ["*.ipynb", "*.yaml", "*.csv", "*.md"] for package in packages},
)
