"""An Airflow DAG that runs runbook.ipynb for every target of a file, one mapped task each.

Put it into the DAGs folder. The workers need this package (`pip install .`), the provider
`apache-airflow-providers-papermill`, and AWS credentials in their environment; where Step 4 is
to be done through the management API also RWC_API_KEY and RWC_API_SECRET. No secret is passed
as a parameter: papermill writes those into the notebook.

    RWLIB_TARGETS     the file, as `rwlib batch` takes it
    RWLIB_NOTEBOOKS   the folder of runbook.ipynb
    RWLIB_RUNS        where the executed notebooks and the reports go
"""

from __future__ import annotations

import hashlib
import os
import re
from datetime import datetime
from pathlib import Path

from airflow import DAG
from airflow.decorators import task
from airflow.providers.papermill.operators.papermill import PapermillOperator

from rwlib.batch import read_targets

APPLY = os.environ.get("RWLIB_APPLY", "") == "yes"
NOTEBOOK = Path(os.environ["RWLIB_NOTEBOOKS"]) / "runbook.ipynb"
RUNS = Path(os.environ["RWLIB_RUNS"])  # papermill makes no folders, so this one must be there


def run_name(run_id):
    """Return a run's id as part of a file's name; two runs never have the same."""
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return f"{re.sub('[^A-Za-z0-9_.-]', '_', run_id)[:80]}-{digest}"


@task
def task_arguments(run_id=None):
    """Return what each mapped task is given: its target, and where its executed notebook goes.

    Airflow fills ``run_id`` in. A template would stay as it is: mapped arguments are not rendered.
    """
    return [
        {
            "parameters": {**target.model_dump(), "apply": APPLY},
            "output_nb": str(RUNS / f"{run_name(run_id)}_{target.name}.ipynb"),
        }
        for _, target in read_targets(os.environ["RWLIB_TARGETS"])
    ]


with DAG(
    dag_id="risingwave_iam_roles",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # IAM bears few writers at once, and a run that was stopped is safe to repeat.
    max_active_tasks=4,
    default_args={"retries": 2},
) as dag:
    PapermillOperator.partial(task_id="runbook", input_nb=str(NOTEBOOK)).expand_kwargs(
        task_arguments()
    )
