# Where Snakemake needs a hand.
#
# A Snakemake that was killed leaves its lock behind, and the same command again would refuse to run. Every run leaves its name here;
# locks are taken away when all runs that are named ran on this machine and are dead. A lock of another machine (a cluster's login
# node) or of a run that is still alive is left alone.
#
# Its scheduler looks at all waiting jobs again a second after every look, so that jobs can be started at a limited rate, and every job
# that ends begins another such chain: by the end of hundreds of jobs it looks hundreds of times a second. On the user's own machine
# the cores are the limit, not the rate.
#
# While it plans it makes millions of small objects that stay, among which Python would look for garbage every few hundred: a tenth of the
# time of planning.

import gc
import json
import platform
import psutil

OWNERS = Path(".snakemake/lock-owners")
SNAKEMAKES_RATE = (100, 1)  # jobs in seconds; another one is a user's own
MINE = OWNERS / f"{platform.node()}-{os.getpid()}.json"


def release_stale_locks():
    owners = {path: json.loads(path.read_text() or "{}") for path in OWNERS.glob("*.json")}
    if not owners or not all(is_dead(owner) for owner in owners.values()):
        return
    locks = list(Path(".snakemake/locks").glob("*.lock"))
    for stale in [*locks, *owners]:
        stale.unlink(missing_ok=True)
    if locks:
        logger.info("The last run here was killed; its lock was released and its work goes on.")


def is_dead(owner):
    """Whether a run is known to have ended: on this machine, and its process number is free or another's."""
    if owner.get("host") != platform.node():
        return False
    return not psutil.pid_exists(owner["pid"]) or abs(psutil.Process(owner["pid"]).create_time() - owner["since"]) > 1


def leave_name():
    OWNERS.mkdir(exist_ok=True)
    MINE.write_text(json.dumps({"host": platform.node(), "pid": os.getpid(), "since": psutil.Process().create_time()}))


def lift_rate_limit():
    rate = workflow.scheduling_settings.max_jobs_per_timespan
    if workflow.local_exec and rate and (rate.max_jobs, rate.timespan) == SNAKEMAKES_RATE:
        workflow.scheduler.job_rate_limiter = None


gc.set_threshold(100_000)
release_stale_locks()


onstart:
    if HARVESTED:
        logger.info(HARVEST_NOTE)
    leave_name()
    lift_rate_limit()


onsuccess:
    MINE.unlink(missing_ok=True)


onerror:
    MINE.unlink(missing_ok=True)
