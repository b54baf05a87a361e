"""What to compute in. In: a device. Out: a context in which torch multiplies in bf16 where the device does that faster."""

import torch


def half(device, on_cuda=torch.bfloat16):
    """`on_cuda` on CUDA, bf16 on a CPU with AVX-512 BF16; elsewhere fp32."""
    fast = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, on_cuda if device.type == "cuda" else torch.bfloat16, enabled=fast)
