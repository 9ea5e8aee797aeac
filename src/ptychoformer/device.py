"""Where tensors live, looked up once a job."""

import torch


def lookup_device() -> torch.device:
    """The accelerator that torch finds (CUDA, MPS, ...), or the CPU."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")


def device_name(device: torch.device) -> str:
    """For people: the model of a CUDA device, or the device's type."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
