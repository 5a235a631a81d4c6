"""What goes out of the house: pages, claims, the adapter's card, profiles of one's own abstracts.

Imports all rooms below.
"""
