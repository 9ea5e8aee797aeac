#!/usr/bin/env bash
# Installs PyTorch into .venv. On Linux PyPI's build brings NVIDIA's libraries, several GB, which only a GPU of theirs
# is worth; PyTorch's own index has a build without.
#
#   workflow/torch.sh BUILD COMMAND...
#
# BUILD is cpu, cuda, or "", which looks for a GPU; COMMAND is pip's, to which the name of a lock is added.
set -euo pipefail

asked=$1 install=("${@:2}")
index=https://download.pytorch.org/whl/cpu
# A place that does not answer costs half a minute, not the minutes that pip would wait.
quickly=(--retries 1 --timeout 15)
here=$(uname -sm)

refuse() {
    echo "$1" >&2
    exit 2
}

has_gpu() { timeout 20 nvidia-smi -L 2>/dev/null | grep -q '^GPU'; }

# As it is there already, or from where pip finds files without an index; then from the index too.
install_for_cpus() {
    "${install[@]}" requirements-torch-cpu.lock --no-index "${quickly[@]}" 2>/dev/null ||
        said=$("${install[@]}" requirements-torch-cpu.lock --extra-index-url "$index" "${quickly[@]}" 2>&1)
}

# Of this version to the letter, for which "+cpu" would pass.
install_for_gpus() {
    sed 's/^torch==/torch===/' requirements-torch.lock >.venv/requirements-torch.lock
    "${install[@]}" .venv/requirements-torch.lock
}

if [[ $here != "Linux x86_64" && $here != "Linux aarch64" ]]; then
    [[ $asked == cpu && $here == Linux* ]] &&
        refuse "TORCH=cpu: requirements-torch-cpu.lock is for Linux x86_64 and aarch64, and this is $here; make TORCH=cuda takes PyPI's build."
    echo "PyTorch: the build that PyPI has for $here."
    install_for_gpus
elif [[ $asked == cuda ]] || { [[ -z $asked ]] && has_gpu; }; then
    [[ $asked ]] && why="as TORCH=cuda asks" || why="since nvidia-smi shows one"
    echo "PyTorch: the build for NVIDIA GPUs, $why; make TORCH=cpu takes the smaller one for CPUs."
    install_for_gpus
else
    [[ $asked ]] && why="as TORCH=cpu asks" || why="since nvidia-smi shows no GPU"
    echo "PyTorch: the build for CPUs, $why; make TORCH=cuda takes the one for NVIDIA GPUs."
    install_for_cpus && exit
    reason=$(sed -n '/^ERROR: /{s///p;q;}' <<<"$said")
    missing="PyTorch: the build for CPUs could not be had: $index cannot be reached, or has none for this Python that requirements-torch-cpu.lock lists (pip: $reason)."
    [[ $asked ]] && refuse "$missing Without TORCH=cpu, make takes the one for NVIDIA GPUs in its place."
    echo "$missing The one for NVIDIA GPUs is taken, with several GB of their libraries."
    install_for_gpus
fi
