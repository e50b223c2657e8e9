"""The command line: `verger`. No logic."""
