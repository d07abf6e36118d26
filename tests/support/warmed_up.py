"""Imported once by the process from which `tests.support.warm_process` forks."""

from rwlib.headless import warm

warm(("rwlib.runbook.runbook", "rwlib.labs.session", "rwlib.labs.checking", "rwlib.widgets.guide"))
