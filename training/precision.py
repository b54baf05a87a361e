"""What to compute in. In: a device. Out: a context in which torch multiplies in bf16 where the device does that faster."""

import torch


def half(device):
    """bf16 on CUDA, and on a CPU with AVX-512 BF16; elsewhere fp32."""
    fast = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)
