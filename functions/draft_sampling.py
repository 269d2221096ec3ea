"""vLLM's sampler of drafts on a CPU, set right: it gives each draft its request's temperature and top_p.

In vLLM 0.32, where Triton is not installed, the values are written into a copy that is thrown away
(`vllm.utils.cpu_triton_utils._expand_kernel_impl`), and truncated to integers besides. What logits were then divided by
was whatever the memory held: a seed did not give the same text twice, and at times all were NaN, and the token 0 was
written, which no grammar takes.
"""

from typing import Any

import torch

KERNEL = "vllm.v1.sample.rejection_sampler.expand_kernel"


def repeat_for_each_draft(
    output: torch.Tensor,
    values: torch.Tensor,
    cumulated: torch.Tensor,
    replaced: float,
    replacement: float,
    _most: int | None = None,
) -> None:
    """Write `values`, one a request, into `output`, one a draft: `cumulated` counts the drafts up to each request.

    A value equal to `replaced` becomes `replacement`. The parameters are those of vLLM's kernel, in its order.
    """
    drafts = torch.diff(cumulated, prepend=cumulated.new_zeros(1))
    kept = torch.where(values == replaced, torch.full_like(values, replacement), values)
    output.copy_(torch.repeat_interleave(kept, drafts))


def correct() -> None:
    """In this process, from now on. Nothing is changed where the sampler has a kernel of Triton's, which is right."""
    from vllm.platforms import current_platform  # noqa: PLC0415 - this module is also read where there is no engine
    from vllm.triton_utils import HAS_TRITON  # noqa: PLC0415 - as above
    from vllm.triton_utils.dispatcher import register_kernels  # noqa: PLC0415 - as above

    if current_platform.is_cpu() and not HAS_TRITON:
        kernels: dict[str, Any] = {KERNEL: repeat_for_each_draft}
        register_kernels(kernels)
