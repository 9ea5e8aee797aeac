"""Runs ``python -m snakemake`` many times and imports it once: every command is a process of its own,
forked from this one, which knows Snakemake and what it imports, but nothing of the project.

A command is a line of JSON on standard input: its arguments, folder and environment, and the file that
takes all it prints. The answer is a line with its exit status.
"""

import gc
import json
import os
import runpy
import sys
from importlib import import_module

# The others are imported only while Snakemake reads a Snakefile.
IMPORTED = ("snakemake.cli", "snakemake.report", "snakemake.notebook", "jsonschema", "requests", "smart_open", "yte")


def serve():
    """Answer commands until there are no more."""
    for name in IMPORTED:
        import_module(name)
    gc.freeze()  # no collection in a command has to look at what was imported
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            become(**json.loads(line))
            runpy.run_module("snakemake", run_name="__main__", alter_sys=True)  # ends by SystemExit
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(arguments, folder, environment, output):
    """Be in that folder what a fresh process would be."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for streams, path, flags in (((0,), os.devnull, os.O_RDONLY), ((1, 2), output, os.O_WRONLY)):
        file = os.open(path, flags)
        for stream in streams:
            os.dup2(file, stream)
        os.close(file)
    sys.argv[1:], sys.path[0] = arguments, folder


if __name__ == "__main__":
    serve()
