"""The same run on AWS: planned, paid for in cents, and switched off after.

Two stacks of CloudFormation, followed from here, that end by themselves.
"""
