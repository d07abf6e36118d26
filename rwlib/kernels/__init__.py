"""Notebook kernels that are there at once: forked from a process that imported all of it ahead.

A kernel of its own imports Jupyter, boto3 and this package anew for every page that is opened.
`kernels_beside` starts one process that imports them once and waits; a kernel is then a fork of
it, and what both have in memory is there once. Where that cannot be done, or the process is gone,
the same command starts an ordinary kernel.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
