"""A Python that has imported already: it runs what ``python`` would, each time in a process of its own,
forked from it, that knows Snakemake or the libraries of its jobs, but nothing of the project.

    forked.py serve SOCKET       runs what is asked of it there, until standard input ends
    forked.py ask SOCKET ...     asks it for ``python ...``, here, and ends as that does

The second is the Python of a Snakemake that runs so: a job takes longer to import torch than to work.
"""

import atexit
import json
import os
import runpy
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module

# The others are imported only while Snakemake reads a Snakefile.
OF_SNAKEMAKE = (
    "snakemake.cli",
    "snakemake.report",
    "snakemake.notebook",
    "jsonschema",
    "requests",
    "smart_open",
    "yte",
)
# With what figures import only when they are written.
OF_JOBS = (
    "h5py",
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "matplotlib.figure",
    "pandas",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.signal",
    "scipy.sparse.linalg",
    "scipy.spatial",
    "skimage.registration",
    "skimage.restoration",
    "tabulate",
    "tifffile",
    "torch",
    "tqdm",
    "typst",
)


def ask(address, arguments, streams, **where):
    """Have ``python`` run with these arguments; returns its exit status.

    Args:
        streams: descriptors of its input, output and errors.
        where: see `become`.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b" "], streams)
        connection.sendall(json.dumps(dict(arguments=arguments) | where).encode())
        connection.shutdown(socket.SHUT_WR)
        return int(connection.recv(16))


def serve(address):
    """Run what is asked for until standard input ends."""
    import gc
    import select

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("listening", flush=True)
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                asked, streams = received(connection)
                for name in OF_SNAKEMAKE if asked["arguments"][0] == "-m" else OF_JOBS:
                    import_module(name)
                gc.freeze()  # no collection in a process has to look at what was imported
                if os.fork() == 0:
                    run(connection, streams, **asked)
            for stream in streams:
                os.close(stream)
            with suppress(ChildProcessError):  # there is none
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    with suppress(ChildProcessError):
        while os.wait():  # so that their time counts as that of the tests
            pass


def received(connection):
    """What `ask` sent, and the descriptors."""
    text, streams, *_ = socket.recv_fds(connection, 1, 3)
    while part := connection.recv(2**16):
        text += part
    return json.loads(text), streams


def run(connection, streams, arguments, **where):
    """Run it in a process of its own, and answer with its exit status."""
    process = os.fork()
    if process == 0:
        become(streams, **where)
        end(status_of(arguments))
    _, status = os.waitpid(process, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def status_of(arguments):
    """Run a module or a script, as ``python`` does; returns what it ends with."""
    try:
        if arguments[0] == "-m":
            sys.argv[1:] = arguments[2:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path[0] = arguments, os.path.dirname(arguments[0])
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, int | None):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def end(status):
    """End as Python does, but do not take apart what was imported: for that all of it would be copied,
    from the process that still has it.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def become(streams, folder, environment, python=sys.executable):
    """Be in a folder, with an environment, what a fresh process would be.

    Args:
        python: what it takes for its Python.
    """
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable, sys.path[0] = python, folder
    sys.path[1:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))


if __name__ == "__main__":
    command, socket_file, *asked_for = sys.argv[1:]
    if command == "serve":
        serve(socket_file)
    else:
        ended = ask(socket_file, asked_for, [0, 1, 2], folder=os.getcwd(), environment=dict(os.environ))
        sys.exit(ended if ended >= 0 else 128 - ended)  # as a shell tells that it was killed
