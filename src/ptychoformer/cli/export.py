"""The command ``ptychoformer export``."""

import argparse
import json
from argparse import Namespace

from ptychoformer.cli.arguments import any_name, onnx_name
from ptychoformer.cli.outputs import check_outputs
from ptychoformer.cli.run_folder import checkpoint_in, prepared_as
from ptychoformer.progress import say

SUMMARY = "write a trained network as ONNX"
ABOUT = """\
Write a trained network as one ONNX file, for a program at the beamline that has neither this
package nor torch.

It takes photons (pattern, h, w), float32, any number of patterns at a time, and answers with
amplitude and phase (radians) of the same shape: how the network's patterns are prepared and its
answers scaled is in the file. What a detector's frame needs before, it does not do: the zero
frequency goes to (h // 2, w // 2), bad pixels are filled, the square around it is cropped and
summed in blocks. The file's metadata say how: window, crop and bin, in detector pixels, and the
pixel size of the object in metres, where they are known. In Python:

  session = onnxruntime.InferenceSession("network.onnx")
  amplitude, phase = session.run(None, {"photons": patterns})
  session.get_modelmeta().custom_metadata_map    {'window': '[32, 32]', 'crop': '64', 'bin': '2', ...}

It needs the packages onnx and onnxscript: pip install onnx onnxscript."""
EXAMPLES = """\
examples:
  ptychoformer export run --onnx network.onnx
  ptychoformer export run/model.pt --onnx network.onnx
  ptychoformer export results/training/clean/ptychonn/mse/n400/seed0/model.pt --onnx network.onnx"""
AFTERWARDS = "Nothing was written."  # said when it was interrupted


def add_options(part: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    trained = "folder that `train` made, or a model.pt"
    part.add_argument("run_folder", type=any_name, metavar="RUN", help=trained)
    part.add_argument("--onnx", required=True, type=onnx_name, metavar="FILE.onnx", help="file to write")


def run(options: Namespace) -> None:
    """Write the network of a run as ONNX."""
    checkpoint = checkpoint_in(options.run_folder)
    check_outputs([options.onnx], [checkpoint])
    preparation = prepared_as(checkpoint)
    if not preparation:
        say(f"{checkpoint} has no preparation.json beside it: the file cannot say how frames are cropped and binned.")
    from ptychoformer.evaluation.deployment import check_same_network, export_network

    check_same_network(options.onnx, checkpoint)
    facts = export_network(checkpoint, preparation, options.onnx)
    window = " x ".join(map(str, json.loads(facts["window"])))
    print(f"{facts['network']} for patterns of {window} pixels: {options.onnx}")
