"""The other tasks of the thesis: sentiment, biased job advertisements, claims; as rows.

Imports core, competencies, models, metrics.
"""
