"""Exact draws from a model's next words: each prompt has a random stream of its own."""
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from transformers.generation.logits_process import LogitsProcessor


class SeededSampler(LogitsProcessor):
    """Turns greedy decoding into sampling with one random stream per prompt.

    argmax(log p + Gumbel noise) is an exact draw from p (Gumbel 1954), so decoding stays greedy
    while a generator seeded by the prompt gives the noise, whatever the batch's size and order, and
    whichever of the prompt's k rows are still written. temperature: 0 adds no noise.
    """

    def __init__(self, seeds: Sequence[int], k: int, temperature: float, top_p: float):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.k, self.temperature, self.top_p = k, temperature, top_p
        self.rows = torch.arange(len(seeds) * k)
        self.threads, self.buffer = ThreadPoolExecutor(torch.get_num_threads()), torch.empty(0)

    def __call__(self, input_ids: torch.Tensor | None, scores: torch.Tensor) -> torch.Tensor:
        """`perturbed` of all rows, as `generate` asks for it."""
        return self.perturbed(scores, self.rows)

    def perturbed(self, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Logits of the next word whose argmax is the draw; overwritten by the next call.

        logits: (rows, vocabulary). rows: which of the prompts' k rows these are, in order; 0 to
        k - 1 belong to the first prompt.
        """
        if self.temperature == 0:
            return logits
        if self.top_p < 1:
            logp = (logits.float() / self.temperature).log_softmax(dim=-1)
            ordered, index = logp.sort(dim=-1, descending=True)
            mass = ordered.exp().cumsum(dim=-1)
            cut = mass - ordered.exp() >= self.top_p  # the token that crosses top_p stays
            logits = logits.masked_fill(cut.scatter(-1, index, cut), -torch.inf)
        # Not log p, but the logits that make it: a row's argmax knows no constant and no scale.
        noise = self._noise(rows, logits.shape[-1]).to(logits.device)
        return noise.mul_(-self.temperature).add_(logits)

    def _noise(self, rows, vocabulary):
        """(rows, vocabulary), less a standard Gumbel; a prompt without a row draws no more."""
        prompts, counts = (rows // self.k).unique(return_counts=True)

        def uniform(prompt):
            # Always of k rows, so that none depends on which others there are. With a large
            # vocabulary this takes long, but one thread only, and no lock of Python's.
            numbers = torch.empty(self.k, vocabulary, dtype=torch.float64)
            return numbers.uniform_(-1, 0, generator=self.generators[prompt])
        if self.buffer.shape[-1] != vocabulary:  # kept: fresh memory takes as long as the sums
            self.buffer = torch.empty(len(self.rows), vocabulary)
        noise, start = self.buffer[:len(rows)], 0
        drawn = self.threads.map(uniform, prompts.tolist())
        for sample, count in zip(drawn, counts.tolist()):
            mine = slice(start, start + count)
            sample = sample if count == self.k else sample[rows[mine] % self.k]
            # Exponential, as `exponential_` of torch makes it on a CPU at three times the cost.
            noise[mine] = sample.neg_().log_()
            noise[mine].neg_().log_()
            start += count
        return noise
