"""The command line, called in this process."""

from __future__ import annotations

from click.testing import CliRunner

from rwlib.cli import main


def rwlib(*arguments, cwd=None, **environment):
    """Call the command line in this process, as its entry point does."""
    runner = CliRunner()
    with runner.isolation(env=environment) as (out, err, _):
        try:
            main([str(each) for each in arguments])
            code = None
        except SystemExit as ended:
            code = ended.code
        return code, out.getvalue().decode(), err.getvalue().decode()


def options(values, **changes):
    """A target's values as options of a command."""
    found = []
    for name, value in {**values, **changes}.items():
        if value in ("", None):
            continue
        option = "--" + name.replace("_", "-")
        if value is True:
            found.append(option)
        else:
            for each in value if isinstance(value, list) else [value]:
                found += [option, str(each)]
    return found
