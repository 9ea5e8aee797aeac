# Where Snakemake needs a hand.
#
# A Snakemake that was killed leaves its lock behind, and the same command again would refuse to
# run. Every run leaves its name here; locks are taken away when all runs that are named ran on this
# machine and are dead. A lock of another machine (a cluster's login node) or of a run that is still
# alive is left alone.
#
# Its scheduler looks at all waiting jobs again a second after every look, so that jobs can be
# started at a limited rate, and every job that ends begins another such chain: by the end of
# hundreds of jobs it looks hundreds of times a second. On the user's own machine the cores are the
# limit, not the rate.
#
# It starts the Python of its jobs by a shell command in which the path of that Python is not
# quoted: one with a blank in it would be cut.
#
# While it plans it makes millions of small objects that stay, among which Python would look for
# garbage every few hundred: a tenth of the time of planning.

import difflib
import gc
import json
import platform
import shlex
import time
import psutil

from snakemake.cli import get_argument_parser

OWNERS = Path(".snakemake/lock-owners")
SNAKEMAKES_RATE = (100, 1)  # jobs in seconds; another one is a user's own
STARTED = time.time()
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
    """Whether a run is known to have ended: on this machine, and its process number is free or
    another's.
    """
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


def targets_asked_for():
    """Targets on the command line, which Snakemake tells its workflow too late; none where
    something else started it.
    """
    by_command = Path(sys.argv[0]).stem == "snakemake" or Path(sys.argv[0]).parent.name == "snakemake"
    return get_argument_parser().parse_known_args(sys.argv[1:])[0].targets if by_command else []


def name_targets():
    """Say which targets there are where one is mistyped; Snakemake would only say that no rule
    makes it.
    """
    named = ["all", *PAPER.tables, *PAPER.figures, "claims", "report"]
    made = [str(file) for rule in workflow.rules for file in rule.output if not rule.has_wildcards()]
    for target in targets_asked_for():
        known = (
            workflow.is_rule(target)
            or Path(target).exists()
            or any(rule.is_producer(os.path.relpath(target)) for rule in workflow.rules)
        )
        if not known:
            near = difflib.get_close_matches(target, [*named, *made], n=3)
            found = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"there are {', '.join(named)}, and any file that these make."
            )
            raise WorkflowError(f"There is no target '{target}'; {found}")


def name_report():
    page = Path(workflow.pathvars.apply("<results>/report.html"))
    if page.is_file() and page.stat().st_mtime >= STARTED:
        minutes, seconds = divmod(round(time.time() - STARTED), 60)
        logger.info(f"The report is {page}; it took {minutes} min {seconds} s.")


gc.set_threshold(100_000)
sys.executable = shlex.quote(sys.executable)
release_stale_locks()


onstart:
    if HARVESTED:
        logger.info(HARVEST_NOTE)
    leave_name()
    lift_rate_limit()


onsuccess:
    name_report()
    MINE.unlink(missing_ok=True)


onerror:
    MINE.unlink(missing_ok=True)
