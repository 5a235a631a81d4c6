"""The subject matter: profiles, abstracts, prompts, verdicts, and the synthetic world with its truth.

Imports core. No torch.
"""
