"""The small models that the workbook trains for itself, from their tokenizer to their lessons.

Imports core, competencies, models, metrics.
"""
