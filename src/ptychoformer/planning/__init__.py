"""From a config to what the workflow makes: which files its jobs read, what they depend on, and
what is shown.

Needs nothing that Snakemake does not bring, since it is used while the workflow is read.
"""
