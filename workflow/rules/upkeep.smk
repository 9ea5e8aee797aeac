# Where Snakemake needs a hand.
#
# A Snakemake that was killed leaves its lock behind, and the same command again would refuse to
# run. Every run leaves its name here before it takes a lock; locks are taken away when all runs that
# are named ran on this machine and are dead. A lock of another machine (a cluster's login node), of a
# run that is still alive, or of one of which nothing is known, is left alone.
#
# It deletes what a job makes before the job begins, and after it (even with --touch) if that is
# older than what it was made of. So what would make a job fail or make the same thing twice is
# looked at before: files dated in the future or cut off to nothing, folders that cannot be written
# to, and jobs that outlived an earlier run.
#
# So would every seed of a network that was edited be lost if it no longer trains. Networks and losses
# are tried before what was trained with them is deleted.
#
# Its jobs read the code when they begin, and what they make is taken for what the code at the start
# made. So a job that would run other code is refused (`planning.code`).
#
# Its scheduler looks at all waiting jobs again a second after every look, so that jobs can be
# started at a limited rate, and every job that ends begins another such chain: by the end of
# hundreds of jobs it looks hundreds of times a second. On the user's own machine the cores are the
# limit, not the rate.
#
# It compares parameters as Python writes them: to it, a default that is written out, another order
# of keys, or 1 for 1.0 is another parameter.
#
# It ends with a traceback, before any look of ours, if a file lies where it lists a folder.
#
# It starts the Python of its jobs by a shell command in which the path of that Python is not
# quoted: one with a blank in it would be cut.
#
# While it plans it makes millions of small objects that stay, among which Python would look for
# garbage every few hundred: a tenth of the time of planning.

import atexit
import difflib
import gc
import shlex
import time
from contextlib import ExitStack

from snakemake.cli import get_argument_parser
from snakemake.persistence import NO_PARAMS_CHANGE

from ptychoformer.errors import PtychoformerError
from ptychoformer.files import check_folder
from ptychoformer.owners import WORKFLOWS, held, is_dead, turn
from ptychoformer.paths import ROOMS
from ptychoformer.places import named_once
from ptychoformer.planning import code as planned
from ptychoformer.planning.parameters import meaning
from ptychoformer.readiness import (
    CODES,
    CODES,
    Kept,
    check_alone,
    check_made,
    check_not_empty,
    check_times,
    check_trials,
    check_writable,
)

SNAKEMAKES_RATE = (100, 1)  # jobs in seconds; another one is a user's own
STARTED = time.time()
WORKING = ExitStack()  # while this run works


def release_stale_locks():
    owners = list(WORKFLOWS.glob("*.json"))
    if not owners or not all(map(is_dead, owners)):
        return
    locks = list(Path(".snakemake/locks").glob("*.lock"))
    for stale in [*locks, *owners, *WORKFLOWS.glob(f"*{planned.PLAN}")]:
        stale.unlink(missing_ok=True)
    if locks:
        logger.info("The last run here was killed; its lock was released and its work goes on.")


def name_this_run():
    """Release what dead runs left, and leave the name of this one until it ends; returns its file.
    A dry run takes no lock and changes nothing, and the jobs of a run are not runs of their own.
    """
    if asked_for().dryrun or not workflow.is_main_process:
        return None
    folder = WORKFLOWS.absolute()  # at its end Snakemake may be elsewhere
    with turn(folder):
        release_stale_locks()
        name = WORKING.enter_context(held(folder))
    atexit.register(WORKING.close)
    return name


def look_before_work():
    """Say in a sentence what would make this run fail late or lose what is finished."""
    waiting = [job for job in workflow.dag.jobs if workflow.dag.needrun(job)]
    made = [str(file) for job in waiting for file in job.output]
    if PLAN.harvested and {"train", "train_together"} & {job.rule.name for job in waiting}:
        raise WorkflowError(
            f"{PLAN.harvested} does not hold all runs that were asked for, and nothing is trained to print it;"
            " ask for what it holds, or train the rest with config/paper.yaml alone."
        )
    try:
        check_times(str(file) for job in workflow.dag.jobs for file in (*job.input, *job.output))
        check_writable([*made, *(str(file) for job in waiting for file in job.log)])
        check_alone(made)
        elsewhere = not workflow.local_exec or workflow.deployment_settings.deployment_method
        if not elsewhere and not asked_for().touch and (trials := trials_of(waiting)):
            logger.info("Networks and losses are tried before what was trained with them is replaced.")
            check_trials(trials, shlex.split(sys.executable)[0])
    except PtychoformerError as error:
        raise WorkflowError(str(error)) from None


def trials_of(waiting):
    """Find what is to be trained anew in the place of finished trainings: one of each network and
    loss, whose dataset is there and stays.
    """
    trials, made_anew = {}, {str(file) for job in waiting for file in job.output}
    for job in waiting:
        if job.rule.name not in ("train", "train_together"):
            continue
        dataset, entries = job.input.datasets[0], {name: job.params[name] for name in ("model", "loss", "training")}
        if dataset not in made_anew and os.path.exists(dataset) and any(map(os.path.exists, job.output.checkpoints)):
            seed = int(getattr(job.wildcards, "seed", config["seeds"][0]))
            about = {"dataset": str(dataset), "n_train": int(job.wildcards.n_train), "seed": seed}
            trials.setdefault((job.wildcards.model, job.wildcards.loss), about | entries)
    return list(trials.values())


def remember_code():
    """Tell the jobs which code they were planned with."""
    jobs = {
        str(job.output[0]): [job.params[name] for name in CODES if name in job.params.keys()]
        for job in filter(workflow.dag.needrun, workflow.dag.jobs)
        if job.output
    }
    plan = THIS_RUN.with_suffix(planned.PLAN)
    WORKING.callback(plan.unlink, missing_ok=True)
    try:
        planned.remember(plan, jobs)
    except PtychoformerError as error:
        raise WorkflowError(str(error)) from None


def look_at_what_stays():
    """Say in a sentence what is wrong with what Snakemake takes for finished, be it that nothing is
    to be done.

    By what it remembers of a file (.snakemake), Snakemake makes it anew if its parameters changed;
    of results that came from elsewhere, or whose memory was deleted, it knows nothing, and those
    that it touches it believes to be made with the parameters of now. What comes after --until it
    neither makes nor touches, and only forgets later.
    """
    touched = asked_for().touch  # of which `workflow.touch` knows nothing in a dry run
    advice = "leave out --touch and write" if touched else "write"
    dag, order = workflow.dag, [rule.name for rule in workflow.rules]
    asked = set(dag.bfs(dag.dependencies, *dag.targetjobs))
    stay = [job for job in dag.jobs if job in asked and job.output and (touched or not dag.needrun(job))]
    unknown = [job for job in stay if touched or dag.reason(job).no_metadata]
    unknown.sort(key=lambda job: order.index(job.rule.name))
    kept = (Kept(str(file), job.rule.name, dict(job.params.items())) for job in unknown for file in job.output)
    try:
        check_not_empty(str(file) for job in stay for file in job.output)
        by_other_code = check_made(kept, advice)
    except PtychoformerError as error:
        raise WorkflowError(str(error)) from None
    if by_other_code:
        rules = " ".join(dict.fromkeys(one.rule for one in by_other_code))
        logger.info(
            f"Other code than that of now made {by_other_code[0].file} and what else is kept of {rules};"
            f" to make it anew, {advice} --forcerun {rules} at the end of the command."
        )


def compare_by_meaning(changed):
    """Make of what Snakemake asks whether parameters changed (`changed`) what asks whether their
    meaning did. What is published lists entries in the order of the config, which is a meaning.
    """
    results, rooms = workflow.pathvars.apply("<results>"), set(ROOMS) - {"publication"}

    def changed_in_meaning(job, file=None):
        change = changed(job, file)
        room = os.path.relpath(job.output[0], results).split(os.sep)[0] if change else ""
        same = room in rooms and set(map(meaning, change.only_old)) == set(map(meaning, change.only_new))
        return NO_PARAMS_CHANGE if same else change

    return changed_in_meaning


def step_in():
    """Give files that the command names, as targets or otherwise, the names that rules know them by
    before jobs are planned, and look at what stays as soon as they are: where none is to run,
    `onstart` never comes.
    """
    prepare, plan = workflow._prepare_dag, workflow._build_dag

    def name_and_prepare(*how, **more):
        for name in ("targets", "forcerun", "until", "omit_from"):
            setattr(workflow.dag_settings, name, list(map(named_once, getattr(workflow.dag_settings, name))))
        if scheduling := workflow.scheduling_settings:  # none where files are only listed or deleted
            scheduling.prioritytargets = list(map(named_once, scheduling.prioritytargets))
        prepare(*how, **more)
        workflow.persistence.params_changed = compare_by_meaning(workflow.persistence.params_changed)

    def plan_and_look():
        plan()
        if workflow.executor_plugin:  # not where files are only listed or deleted
            look_at_what_stays()

    workflow._prepare_dag, workflow._build_dag = name_and_prepare, plan_and_look


def name_edited_code():
    edited = sorted(
        str(path)
        for folder in ("src", "workflow")
        for path in Path(PLAN.project, folder).rglob("*.*")
        if path.suffix in (".py", ".smk") and path.stat().st_mtime > STARTED
    )
    if edited:
        logger.info(
            f"{' and '.join(edited)} changed while this ran; the same command again makes anew what that changes."
        )


def look_at_folders():
    """Say what lies in the way of the folders of results."""
    try:
        for room in ROOMS:
            check_folder(Path(workflow.pathvars.apply("<results>"), room))
    except PtychoformerError as error:
        raise WorkflowError(str(error)) from None


def lift_rate_limit():
    rate = workflow.scheduling_settings.max_jobs_per_timespan
    if workflow.local_exec and rate and (rate.max_jobs, rate.timespan) == SNAKEMAKES_RATE:
        workflow.scheduler.job_rate_limiter = None


def asked_for():
    """Read what the command line says, which Snakemake tells its workflow too late; nothing where
    something else started it.
    """
    by_command = Path(sys.argv[0]).stem == "snakemake" or Path(sys.argv[0]).parent.name == "snakemake"
    return get_argument_parser().parse_known_args(sys.argv[1:] if by_command else [])[0]


def name_targets():
    """Say which targets there are where one is mistyped; Snakemake would only say that no rule
    makes it.
    """
    named = ["all", *PLAN.contents.tables, *PLAN.contents.figures, "claims", "report", "reproduction"]
    made = [str(file) for rule in workflow.rules for file in rule.output if not rule.has_wildcards()]
    for target in asked_for().targets:
        known = (
            workflow.is_rule(target)
            or os.path.exists(target)  # which is no error in a folder that may not be entered
            or any(rule.is_producer(named_once(target)) for rule in workflow.rules)
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
look_at_folders()
THIS_RUN = name_this_run()
if workflow.is_main_process:
    step_in()


onstart:
    if PLAN.harvested:
        logger.info(PLAN.harvest_note())
    look_before_work()
    remember_code()
    lift_rate_limit()


onsuccess:
    name_report()
    name_edited_code()


onerror:
    name_edited_code()
