"""What the notebooks do, study by study.

Imports all rooms below.
"""
