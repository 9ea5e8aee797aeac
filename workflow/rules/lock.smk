# A Snakemake that was killed leaves its lock behind, and the same command again would refuse to run. The lock is taken away if its
# owner ran on this machine and is dead; a lock of another machine (a cluster's login node) is left alone.

import json
import platform
import psutil

OWNER = Path(".snakemake/lock-owner.json")


def release_stale_lock():
    if not OWNER.is_file():
        return
    owner = json.loads(OWNER.read_text() or "{}")
    if owner.get("host") != platform.node() or is_running(owner):
        return
    locks = list(Path(".snakemake/locks").glob("*.lock"))
    for lock in locks:
        lock.unlink(missing_ok=True)
    if locks:
        logger.info("The last run here was killed; its lock was released and its work goes on.")


def is_running(owner):
    return psutil.pid_exists(owner["pid"]) and abs(psutil.Process(owner["pid"]).create_time() - owner["since"]) < 1


def own_lock():
    me = psutil.Process()
    OWNER.write_text(json.dumps({"host": platform.node(), "pid": me.pid, "since": me.create_time()}))


release_stale_lock()


onstart:
    own_lock()
