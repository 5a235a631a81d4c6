"""Preference and supervised tuning, on trees or with TRL, in one process or several.

Imports core and models.
"""
