"""What a forked child forgets before it runs a cell: all that a new kernel would not have.

That is its parent's clients, logging, warnings, exit handlers, signal handlers and the modules
whose behaviour depends on who imported them first.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import logging
import signal
import sys
import warnings
import weakref
from typing import Any


def forget() -> None:
    """Drop what this forked process has of its parent and a new process would not have."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    asyncio._set_running_loop(None)
    _forget_exit_handlers()
    _forget_logging()
    _forget_modules()
    _forget_singletons()


def _forget_exit_handlers() -> None:
    # The parent's temporary folders and servers are the parent's to remove.
    atexit._clear()
    finalize: Any = weakref.finalize
    for info in finalize._registry.values():
        info.atexit = False
    finalize._registered_with_atexit = False
    if (util := _imported("multiprocessing.util")) is not None:
        util._finalizer_registry.clear()
        atexit.register(util._exit_function)
    atexit.register(logging.shutdown)


def _forget_logging() -> None:
    # The parent may be recording its warnings, or turning them into errors or log records.
    importlib.reload(warnings)
    root = logging.getLogger()
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            kept = [handler for handler in logger.handlers if type(handler) is logging.NullHandler]
            logger.handlers[:] = kept


def _forget_modules() -> None:
    # tqdm chooses its face when it is imported, and shares a lock with every process forked
    # after that: a child killed while it holds the lock would stop its parent for ever.
    for name in [name for name in sys.modules if name.partition(".")[0] == "tqdm"]:
        del sys.modules[name]
    if (boto3 := _imported("boto3")) is not None:
        boto3.DEFAULT_SESSION = None
    if (numpy_random := _imported("numpy.random")) is not None:
        numpy_random.seed()
    if (jupyter_utils := _imported("jupyter_core.utils")) is not None:
        getattr(jupyter_utils, "_runner_map", {}).clear()


def _forget_singletons() -> None:
    for module, name in (
        ("traitlets.config.application", "Application"),
        ("ipykernel.kernelbase", "Kernel"),
        ("IPython.core.interactiveshell", "InteractiveShell"),
    ):
        instance = getattr(getattr(_imported(module), name, None), "_instance", None)
        if instance is not None:
            type(instance).clear_instance()
    if (ipkernel := _imported("ipykernel.ipkernel")) is not None:
        ipkernel._comm_manager = None


def _imported(name: str) -> Any:
    return sys.modules.get(name)
