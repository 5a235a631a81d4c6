"""The subject matter: profiles, abstracts, prompts, verdicts, and the synthetic world.

Imports core. No torch.
"""
