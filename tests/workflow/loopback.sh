#!/usr/bin/env bash
# A Slurm of one node on loopback, to try the shipped profiles on: no systemd, no cgroups, a pretend GPU.
#
#   loopback.sh check              says in a sentence what keeps it from starting here
#   loopback.sh install            Debian's packages, which are all that it needs
#   loopback.sh up [accounting]    starts it, with slurmdbd over a database of its own if asked
#   loopback.sh down               stops what it started
#
# Root only. Jobs lose SLURM_CONF on their way, so its configuration has to lie in /etc/slurm; one that
# something else has put there is left alone.
set -euo pipefail

home=/run/slurm-loopback
mark="# Written by ptychoformer-repro's tests; loopback.sh down removes it."
gpus=${GPUS:-1} min_job_age=${MIN_JOB_AGE:-300}

stop() { echo "$*" >&2; exit 1; }
not_here() { echo "$*" >&2; exit 3; }

wait_for() { # wait_for sentence command...: for twenty seconds
    local sentence=$1; shift
    for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
    stop "$sentence"
}

check() {
    [ "$(id -u)" = 0 ] || not_here "A Slurm on loopback is started by root, and this is user $(id -un)."
    for program in slurmctld slurmd munged sbatch slurmdbd mariadbd; do
        command -v $program >/dev/null || not_here \
            "There is no $program: 'tests/workflow/loopback.sh install' brings Debian's packages that are needed."
    done
    [ ! -e /etc/slurm/slurm.conf ] || grep -qF "$mark" /etc/slurm/slurm.conf || not_here \
        "/etc/slurm/slurm.conf belongs to a Slurm of this machine, which is left alone."
}

install_packages() {
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        slurmctld slurmd slurm-client slurmdbd munge mariadb-server
}

database() {
    # MariaDB reached by a socket of its own; nothing listens to the network.
    mkdir -p $home/db
    chown mysql $home $home/db
    mariadb-install-db --user=mysql --datadir=$home/db --auth-root-authentication-method=socket >/dev/null
    mariadbd --no-defaults --user=mysql --datadir=$home/db --socket=$home/db.sock --port=33306 \
        --bind-address=127.0.0.1 --pid-file=$home/db.pid >$home/db.log 2>&1 &
    wait_for "The database did not start; $home/db.log says why." mariadb --socket=$home/db.sock -e 'select 1'
    mariadb --socket=$home/db.sock -e "create database slurm; create user slurm@127.0.0.1 identified by 'loopback';
        grant all on slurm.* to slurm@127.0.0.1"
    cat > /etc/slurm/slurmdbd.conf <<CONF
$mark
AuthType=auth/munge
DbdHost=localhost
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=33306
StorageUser=slurm
StoragePass=loopback
StorageLoc=slurm
PidFile=$home/slurmdbd.pid
LogFile=$home/slurmdbd.log
CONF
    chmod 600 /etc/slurm/slurmdbd.conf
    slurmdbd
    wait_for "slurmdbd did not start; $home/slurmdbd.log says why." sacctmgr -n list cluster
    sacctmgr -i add cluster loop >/dev/null
    sacctmgr -i add account physics Description=physics Organization=physics >/dev/null
    sacctmgr -i add user root Account=physics >/dev/null
}

up() {
    local accounting=${1:-} enforce="" storage=none
    check
    [ ! -e $home ] || stop "A Slurm of this script runs already; 'loopback.sh down' stops it."
    [ -z "$accounting" ] || { storage=slurmdbd; enforce=AccountingStorageEnforce=associations; }
    mkdir -p $home/{state,spool} /etc/slurm
    cat > /etc/slurm/slurm.conf <<CONF
$mark
ClusterName=loop
SlurmctldHost=localhost(127.0.0.1)
AuthType=auth/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/slurmd.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/$storage
$enforce
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=$min_job_age
KillWait=5
# More than the machine may have, so that a job of several cores fits anywhere.
SlurmdParameters=config_overrides
$([ $gpus = 0 ] || echo GresTypes=gpu)
NodeName=localhost NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 $([ $gpus = 0 ] || echo Gres=gpu:$gpus) State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
CONF
    printf '%s\n' "$mark" > /etc/slurm/gres.conf
    [ $gpus = 0 ] || echo "NodeName=localhost Name=gpu File=/dev/zero" >> /etc/slurm/gres.conf
    if ! munge -n >/dev/null 2>&1; then
        install -d -o munge -g munge -m 755 /run/munge
        runuser -u munge -- munged
        touch $home/own-munged # one that ran before is left running
    fi
    wait_for "munged did not start." munge -n
    [ -z "$accounting" ] || database
    slurmctld -c
    slurmd -N localhost
    wait_for "Slurm did not start; the logs in $home say why." sh -c 'sinfo -h -o %T | grep -q idle'
}

down() {
    for name in slurmd slurmctld slurmdbd db; do
        [ ! -e $home/$name.pid ] || kill "$(cat $home/$name.pid)" 2>/dev/null || true
        for _ in $(seq 100); do [ -e $home/$name.pid ] || break; sleep 0.1; done
    done
    [ ! -e $home/own-munged ] || kill "$(cat /run/munge/munged.pid)" 2>/dev/null || true
    for file in slurm.conf slurmdbd.conf gres.conf; do
        ! grep -qsF "$mark" /etc/slurm/$file || rm "/etc/slurm/$file"
    done
    rm -rf $home
}

case ${1:-} in
    check) check ;;
    install) install_packages ;;
    up) up "${2:-}" ;;
    down) check; down ;;
    *) stop "loopback.sh check, install, up [accounting] or down, found '${1:-}'." ;;
esac
