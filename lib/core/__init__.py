"""What everything stands on: settings, rows in and out, the types of rows.

Imports no other room.
"""
