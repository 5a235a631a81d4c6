"""A judge or writer behind an OpenAI-compatible server: many calls, none paid twice, none lost.

Imports core.
"""
