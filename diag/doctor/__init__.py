"""Findings in words: what is wrong with a cluster, by what evidence, and what to do next.

Each node says of itself what is known there (``self_report``), one of them asks all the others, and the rules
look at what came together (``rules``): pure functions over ``facts``, so a finding is tested without a fault
and a fault without a finding.
"""
