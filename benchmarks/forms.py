"""How fast the form answers an edit, and whether lists of 1,000 stay usable.

The calls to AWS and RisingWave Cloud are answered at once, so that what is measured is what the
form adds to them. Run: python benchmarks/forms.py
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time

from rwlib.widgets.choices import (
    Choices,
)

LIMIT = 0.100
LONG = tuple(f"acme-team-{number:04d}-data" for number in range(1000))
CLUSTER = "019d023e-68a6-74db-b73c-e18859fc5171"
WORKLOAD = "arn:aws:iam::444455556666:role/g1jk13sq56ejdref71h1cvokbh-role"


class Identity:
    arn, account_id = "arn:aws:iam::111122223333:root", "111122223333"


class NoCalls:
    """A session that makes no call."""

    caller_identity = Identity()


def answer_at_once():
    """Stand in for the accounts: long lists, no waiting."""
    from rwlib.widgets import choices, form

    form.open_account = lambda *_: NoCalls()
    choices.bucket_choices = lambda aws: Choices(LONG)
    choices.role_choices = lambda aws: Choices(LONG)
    choices.prefix_choices = lambda *_: Choices(LONG)
    choices.profile_choices = lambda: Choices(())
    labels = {CLUSTER: "orders in us-east-1"}
    choices.cluster_choices = lambda: Choices((CLUSTER,), labels)
    choices.workload_of = lambda cluster: (WORKLOAD, "")
    facts = {"region_name": "us-east-1", "kms_key_arn": "", "encryption": "SSE-S3"}
    choices.bucket_facts = lambda aws, bucket: (facts, "")


def main():
    from rwlib import widgets

    answer_at_once()
    os.environ["RWLIB_TARGET"] = ""
    os.chdir(tempfile.mkdtemp(prefix="rwlib-forms-"))
    guide = widgets.guide({}, step=0, guided=True)
    started = time.perf_counter()
    form = guide.form(
        "cluster_id", "workload_identity_arn", "bucket", "prefix", "connectors", "role_name"
    )
    opened = time.perf_counter() - started
    panels = [guide.progress(), guide.preview(1, 2, 3, 4), guide.check(picture=True)]
    edits = {
        "cluster": [("cluster_id", CLUSTER)],
        "bucket, typed key by key": [
            ("bucket", LONG[500][:length]) for length in range(1, len(LONG[500]) + 1)
        ],
        "prefix, typed key by key": [("prefix", "orders/2026"[:length]) for length in range(1, 12)],
        "role, typed key by key": [("role_name", LONG[7][:length]) for length in range(1, 20)],
        "connectors": [("connectors", ["redshift"]), ("connectors", ["redshift", "s3_sink"])],
    }
    print(f"form with lists of {len(LONG):,} and {len(panels)} panels: opened in {opened:.3f} s")
    print(f"{'edit':<28} {'edits':>5} {'median ms':>10} {'worst ms':>9}")
    worst = 0.0
    for name, values in edits.items():
        took = []
        for field, value in values:
            started = time.perf_counter()
            form.fields[field].value = value
            took.append(time.perf_counter() - started)
        worst = max(worst, *took)
        median = statistics.median(took) * 1000
        print(f"{name:<28} {len(took):>5} {median:>10.1f} {max(took) * 1000:>9.1f}")
    print(f"limit {LIMIT * 1000:.0f} ms: {'kept' if worst < LIMIT else 'passed'}")
    return 0 if worst < LIMIT else 1


if __name__ == "__main__":
    raise SystemExit(main())
