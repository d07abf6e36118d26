"""The commands of ``rwlib``, one module each; every module has a ``command``."""
