"""What goes out of the house: the report's pages and claims, the adapter's card, profiles of a reader's own abstracts.

Imports all rooms below.
"""
