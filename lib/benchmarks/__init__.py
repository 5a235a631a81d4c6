"""What `make bench` measures: tree against TRL, sampling, the endpoint client.

Imports all rooms below.
"""
