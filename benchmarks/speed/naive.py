"""scMOG in plain PyTorch, written straight from the paper (section 4): what scmog's training steps are compared with.

Dense mini-batches, sigmoid and the focal loss of equation 4 by autograd, the negative binomial of equation 6 on all
entries, torch's Adam and RMSprop as they come, clipping in a loop. Sizes are the paper's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = {"rna": (256, 64), "atac": (512, 64)}
N_LATENT, CRITIC = 16, (1024, 256, 64, 16)


def block(n_in: int, n_out: int) -> list[nn.Module]:
    """Linear, batch norm, LeakyReLU."""
    return [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU(0.2)]


class NaiveScMOG(nn.Module):
    """One direction and its critic."""

    def __init__(self, source: str, target: str, n_source: int, n_target: int) -> None:
        super().__init__()
        self.source, self.target = source, target
        encoder = [n_source, *WIDTHS[source], N_LATENT]
        decoder = [N_LATENT, *WIDTHS[target][::-1]]
        layers = [
            part
            for widths in (encoder, decoder)
            for pair in zip(widths, widths[1:], strict=False)
            for part in block(*pair)
        ]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Linear(decoder[-1], n_target) for _ in range(1 if target == "atac" else 2))
        widths = [n_target, *CRITIC]
        hidden = [
            part for a, b in zip(widths, widths[1:], strict=False) for part in (nn.Linear(a, b), nn.LeakyReLU(0.2))
        ]
        self.critic = nn.Sequential(*hidden, nn.Linear(CRITIC[-1], 1))
        generator = [*self.trunk.parameters(), *self.heads.parameters()]
        self.adam = torch.optim.Adam(generator, lr=0.01, betas=(0.5, 0.999))
        self.for_generator = torch.optim.RMSprop(generator, lr=1e-4)
        self.for_critic = torch.optim.RMSprop(self.critic.parameters(), lr=1e-4)
        self.register_buffer("mean", torch.zeros(n_source))
        self.register_buffer("sd", torch.ones(n_source))
        self.median = 1.0

    def fit(self, counts: Tensor) -> None:
        """Statistics of the z-score."""
        self.median = counts.sum(dim=1).median()
        logs = torch.log1p(self.normalised(counts))
        self.mean, self.sd = logs.mean(dim=0), logs.std(dim=0).clamp_min(1e-3)

    def normalised(self, counts: Tensor) -> Tensor:
        """Counts brought to the median library size."""
        return counts / counts.sum(dim=1, keepdim=True) * self.median

    def inputs(self, counts: Tensor) -> Tensor:
        """Z-scored log RNA, or binary ATAC."""
        if self.source == "atac":
            return (counts > 0).float()
        return (torch.log1p(self.normalised(counts)) - self.mean) / self.sd

    def targets(self, counts: Tensor) -> Tensor:
        """Binary ATAC, or normalised RNA."""
        return (counts > 0).float() if self.target == "atac" else self.normalised(counts)

    def output(self, x: Tensor) -> tuple[Tensor, ...]:
        """Probabilities; or means and dispersions."""
        h = self.trunk(x)
        if self.target == "atac":
            return (torch.sigmoid(self.heads[0](h)),)
        return self.heads[0](h).exp().clamp(1e-5, 1e6), F.softplus(self.heads[1](h)).clamp(1e-4, 1e4)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Equation 4 (summed over peaks) or 6 (averaged over genes), averaged over cells."""
        if self.target == "atac":
            (p,) = self.output(x)
            p_t = torch.where(y == 1, p, 1 - p).clamp_min(1e-7)
            alpha_t = torch.where(y == 1, 0.93, 0.07)
            return -(alpha_t * (1 - p_t) ** 2 * torch.log(p_t)).sum(dim=1).mean()
        mean, theta = self.output(x)
        log_sum = torch.log(theta + mean)
        entries = theta * (torch.log(theta + 1e-10) - log_sum) + y * (torch.log(mean + 1e-10) - log_sum)
        entries = entries + torch.lgamma(y + theta) - torch.lgamma(theta + 1e-10) - torch.lgamma(y + 1)
        return -entries.mean()

    def training_step(self, source: Tensor, target: Tensor) -> None:
        """One step of supervised training on raw counts."""
        loss = self.loss(self.inputs(source), self.targets(target))
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()

    def pretraining_step(self, source: Tensor, target: Tensor, i: int) -> None:
        """A critic step; every fifth time a generator step, too."""
        x, y = self.inputs(source), self.targets(target)
        loss = self.critic(self.output(x)[0].detach()).mean() - self.critic(y).mean()
        self.for_critic.zero_grad()
        loss.backward()
        self.for_critic.step()
        for parameter in self.critic.parameters():
            parameter.data.clamp_(-0.01, 0.01)
        if i % 5 == 0:
            loss = -self.critic(self.output(x)[0]).mean()
            self.for_generator.zero_grad()
            loss.backward()
            self.for_generator.step()
