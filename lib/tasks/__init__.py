"""The other tasks of the thesis: sentiment, biased job advertisements, claims; as rows with instructions.

Imports core, competencies, models, metrics.
"""
