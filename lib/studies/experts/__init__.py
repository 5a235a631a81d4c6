"""The review by human experts: pages, answers, statistics, and the original study."""
