"""Judges, panels of them, the ranking that their votes make, and the audit of them all.

Imports core, competencies, models, endpoint, metrics.
"""
