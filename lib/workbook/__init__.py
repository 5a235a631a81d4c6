"""What a reader sees: notebooks run as stages, figures, tables, pages, cards.

Imports all rooms below.
"""
