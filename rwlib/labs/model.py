"""A lab as data: what is set up, what is broken, what repairs it, and which repairs are refused."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

from rwlib.errors import InputError
from rwlib.target import Target

Call = Mapping[str, Any]
"""One set-up call; see `rwlib.labs.setup_calls` for its forms."""

CLUSTER_ID = "019d023e-68a6-74db-b73c-e18859fc5171"
DEFAULT_SEED = 1
_PREFIXES = ("stream", "rw-orders", "lake/raw", "exports/risingwave", "events")
_ROLES = ("risingwave-orders", "rw-analytics-access", "streaming-to-s3", "lake-writer")
_POLICIES = ("risingwave-orders-policy", "rw-analytics-s3", "streaming-s3", "lake-writer-s3")
_FILE = re.compile(r"(\d\d)_(\w+)\.yaml")


@dataclass(frozen=True)
class WrongRepair:
    """A repair that a check must refuse.

    Parameters
    ----------
    hides
        True when RisingWave works after it, so that only the guards can tell it from a repair.
    """

    name: str
    calls: tuple[Call, ...]
    hides: bool = True


@dataclass(frozen=True)
class LabProbe:
    """A real call as a session of a role, with the answer it must get: ``ok`` or an error code."""

    title: str
    call: str
    parameters: Mapping[str, Any]
    answer: str
    role_arn: str = "$role_arn"


@dataclass(frozen=True)
class FaultVariant:
    """Other calls that break the same layer.

    Parameters
    ----------
    repair
        What mends it; empty where the fault's own repair does.
    told
        What the lab's texts say of it in place of what they say of the fault: ``story``,
        ``hints`` by number, ``solution``, ``after``.
    """

    breaks: tuple[Call, ...]
    repair: tuple[Call, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What a lab breaks. Two faults of different groups touch different documents.

    Parameters
    ----------
    variants
        Other ways of breaking the same layer.
    told
        What is said of the variant that was drawn.
    """

    name: str
    group: str
    breaks: tuple[Call, ...]
    repair: tuple[Call, ...]
    wrong: tuple[WrongRepair, ...]
    variants: tuple[FaultVariant, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)

    def varied(self, chance: random.Random) -> Fault:
        """Return the fault in one of its variants, or as it is."""
        drawn = chance.choice([FaultVariant(self.breaks), *self.variants])
        return replace(
            self, breaks=drawn.breaks, repair=drawn.repair or self.repair, told=drawn.told
        )


@dataclass(frozen=True)
class Lab:
    """One lab.

    Parameters
    ----------
    base
        Whether the correct set-up stands before the fault is made.
    statement
        The SQL that shows the symptom; empty takes Step 5's for the target.
    statements
        Other statements with the same fault, where it is in the SQL.
    own_sql
        True when the learner has to create the sink: a check does not create it then.
    nothing_more
        True when the task asks for exactly what is needed, so that not even looking at the role's
        own place is granted beside it.
    one_at_a_time
        True when a check names the first layer alone that is not right.
    terraform
        True when the role's documents stand in a Terraform configuration too; see
        `rwlib.labs.terraform`.
    silent
        True when nobody has kept what RisingWave said: only the trail tells.
    rounds
        Number of faults that a closing lab has one after the other, each in a world of its own;
        see `draw_round`.
    also
        Other names that find it, and under which it was kept before.
    layer
        What refuses, one of `rwlib.labs.questions.LAYERS`: the answer to the question before the
        repair.
    after
        The question after it: ``ask``, the ``layer`` that is right, and ``why``.
    draw
        Labs from whose faults a last lab draws; empty for all others.
    """

    number: int
    name: str
    title: str
    minutes: int
    objectives: tuple[str, ...]
    target: Mapping[str, Any]
    faults: tuple[Fault, ...]
    base: bool = True
    prepare: tuple[Call, ...] = ()
    statement: str = ""
    statements: tuple[str, ...] = ()
    own_sql: bool = False
    must: tuple[LabProbe, ...] = ()
    documents: Mapping[str, Any] = field(default_factory=dict)
    draw: tuple[int, ...] = ()
    draws: int = 0
    nothing_more: bool = False
    one_at_a_time: bool = False
    layer: str = ""
    also: tuple[str, ...] = ()
    after: Mapping[str, str] = field(default_factory=dict)
    terraform: bool = False
    silent: bool = False
    rounds: int = 0

    @property
    def file_name(self) -> str:
        """Name of the lab's notebook."""
        return f"{self.number:02d}_{self.name}.ipynb"

    @property
    def told(self) -> Mapping[str, Any]:
        """What is said of the fault that was drawn in place of the notebook's texts."""
        return self.faults[0].told if len(self.faults) == 1 and not self.rounds else {}

    @property
    def repair(self) -> tuple[Call, ...]:
        """The calls that repair every fault."""
        return tuple(call for fault in self.faults for call in fault.repair)

    def full_target(self) -> Target:
        """Return the set-up that the lab is about."""
        return Target(**{"name": f"lab-{self.number:02d}", "cluster_id": CLUSTER_ID, **self.target})


@cache
def shared() -> Mapping[str, Any]:
    """Return what all labs share: documents, the world's set-up, and wrong repairs."""
    return _read("shared.yaml")


@cache
def all_labs() -> tuple[Lab, ...]:
    """Return every lab in its order; a last lab comes without its faults, see `draw_faults`."""
    folder = resources.files("rwlib").joinpath("data", "labs")
    names = sorted(entry.name for entry in folder.iterdir() if _FILE.fullmatch(entry.name))
    return tuple(_lab(name, _read(name)) for name in names)


def find_lab(number: int | str) -> Lab:
    """Return a lab by its number.

    Raises
    ------
    InputError
        There is no such lab.
    """
    labs = all_labs()
    text = str(number).strip()
    for lab in labs:
        if text in (str(lab.number), f"{lab.number:02d}", lab.name, *lab.also):
            return lab
    raise InputError("lab", number, f"is not a lab; there are 1 to {labs[-1].number}")


def draw_faults(lab: Lab, seed: int) -> Lab:
    """Return a last lab with the faults that the seed draws; any other lab varied, see `vary`.

    No two faults are of one group, so that each is repaired in a document of its own.
    """
    if lab.rounds:
        return lab
    if not lab.draw:
        return vary(lab, seed)
    chance = random.Random(seed)
    pool = [fault for number in lab.draw for fault in find_lab(number).faults]
    groups = sorted({fault.group for fault in pool})
    chosen = sorted(chance.sample(groups, lab.draws))
    faults = tuple(
        chance.choice([fault for fault in pool if fault.group == group]) for group in chosen
    )
    values = {name: getattr(lab, name) for name in Lab.__dataclass_fields__}
    documents: dict[str, Any] = {}
    for number in lab.draw:
        documents |= find_lab(number).documents
    drawn = Lab(**{**values, "faults": faults, "documents": {**documents, **lab.documents}})
    return vary(drawn, seed)


def vary(lab: Lab, seed: int) -> Lab:
    """Return a lab with other names, another place and another variant of its fault.

    So that two neighbours, or one learner weeks later, do not meet the same lab. The default seed
    leaves it as its notebook tells it.
    """
    if seed == DEFAULT_SEED:
        return lab
    chance = random.Random(f"{lab.number} {seed}")
    prefix = chance.choice(_PREFIXES)
    old = str(lab.target["prefix"])
    options = {
        name: re.sub(rf"^{re.escape(old)}(?=/|$)", prefix, value)
        for name, value in dict(lab.target.get("sql_options", {})).items()
    }
    target = {
        **lab.target,
        "prefix": prefix,
        "role_name": chance.choice(_ROLES),
        "policy_name": chance.choice(_POLICIES),
        "sql_options": options,
    }
    faults = tuple(fault.varied(chance) for fault in lab.faults)
    statement = chance.choice([lab.statement, *lab.statements])
    told = faults[0].told if len(faults) == 1 else {}
    after = told.get("after", lab.after)
    return replace(lab, target=target, faults=faults, statement=statement, after=after)


def draw_round(lab: Lab, seed: int, number: int) -> Lab:
    """Return a closing lab as it is in one of its rounds, the first being 1.

    Each round is the fault of another lab, drawn by the seed, in that lab's own world; what the
    lab is called, and what it taught, is not shown.
    """
    drawn = random.Random(seed).sample(sorted(lab.draw), lab.rounds)
    inner = vary(find_lab(drawn[number - 1]), seed)
    return replace(
        inner,
        number=lab.number,
        name=lab.name,
        title=lab.title,
        minutes=lab.minutes,
        objectives=lab.objectives,
        draw=lab.draw,
        rounds=lab.rounds,
        also=lab.also,
    )


def _read(name: str) -> dict[str, Any]:
    import yaml

    text = resources.files("rwlib").joinpath("data", "labs", name).read_text(encoding="utf-8")
    # libyaml's loader, where PyYAML was built with it, takes a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Any] = yaml.load(text, Loader=loader)
    return found


def _lab(file_name: str, data: Mapping[str, Any]) -> Lab:
    match = _FILE.fullmatch(file_name)
    assert match is not None
    draw = data.get("draw", {})
    probes = tuple(
        LabProbe(
            each["title"],
            each["call"],
            each.get("with", {}),
            each["answer"],
            each.get("as", "$role_arn"),
        )
        for each in data.get("must", ())
    )
    fault = Fault(
        match[2],
        data.get("group", match[2]),
        tuple(data.get("break", ())),
        tuple(data.get("repair", ())),
        _wrong(data.get("wrong", ())),
        tuple(
            _variant(each, data.get("told", {}).get(number, {}))
            for number, each in enumerate(data.get("variants", ()), 1)
        ),
    )
    return Lab(
        number=int(match[1]),
        name=match[2],
        title=data["title"],
        minutes=data["minutes"],
        objectives=tuple(data["objectives"]),
        target=data["target"],
        faults=() if draw else (fault,),
        base=data.get("base", True),
        prepare=tuple(data.get("prepare", ())),
        statement=data.get("statement", ""),
        statements=tuple(data.get("statements", ())),
        own_sql=data.get("own_sql", False),
        must=probes,
        documents=data.get("documents", {}),
        draw=tuple(draw.get("labs", ())),
        draws=draw.get("faults", 0),
        nothing_more=data.get("nothing_more", False),
        one_at_a_time=data.get("one_at_a_time", False),
        layer=data.get("layer", ""),
        also=tuple(data.get("also", ())),
        after=data.get("after", {}),
        terraform=data.get("terraform", False),
        silent=data.get("silent", False),
        rounds=draw.get("rounds", 0),
    )


def _variant(
    given: Sequence[Call] | Mapping[str, Sequence[Call]], told: Mapping[str, Any]
) -> FaultVariant:
    if isinstance(given, Mapping):
        return FaultVariant(tuple(given["break"]), tuple(given["repair"]), told)
    return FaultVariant(tuple(given), told=told)


def _wrong(given: Sequence[Mapping[str, Any]]) -> tuple[WrongRepair, ...]:
    found = []
    for each in given:
        calls = each["calls"] if "calls" in each else shared()["wrong"][each["name"]]
        found.append(WrongRepair(each["name"], tuple(calls), each.get("hides", True)))
    return tuple(found)
