"""What is measured, and how surely: intervals, and measures of names, texts and labels.

Imports core and competencies. No torch.
"""
from lib.metrics.rouge_scores import rouge as rouge  # the function that others call
