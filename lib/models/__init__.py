"""Language models: loading, quantising, adapting, sampling, scoring.

Imports core.
"""
