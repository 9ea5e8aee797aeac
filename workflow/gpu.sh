#!/usr/bin/env bash
# On a machine with a GPU: measure what a training step costs there (two minutes), then train the paper at full size for so many MINUTES,
# and gather what is finished into resources/reference.
#   bash workflow/gpu.sh MINUTES [folder with copies of others' files, which are downloaded without it]
# JOBS=3 trainings of all seeds run side by side on a card, so that one starts while another computes; PYTHON is the interpreter to use.
set -euo pipefail
minutes=${1:?minutes to train, for example 15}
data=${2:+$(realpath "$2")}
cd "$(dirname "$0")/.."
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
scans=$(for seed in 0 1 2 3 4 5 6 7 8 9; do echo "results/paper/simulation/datasets/clean/seed$seed.cxi"; done)
"$python" -m snakemake $scans --cores all --quiet all --configfile config/paper.yaml ${data:+--config data_dir=" '${data//\'/\'\'}' "}
"$python" -m pytest -q tests/training/test_graphs.py
"$python" workflow/speed.py $scans --networks Ptychoformer DPI PtychoNN PtyNet
"$python" workflow/reference.py --hours "$("$python" -c "print($minutes / 60)")" --gpu "${JOBS:-3}" ${data:+--data "$data"}
