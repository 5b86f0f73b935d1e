"""From a model's policy and the ledger's integers to a judgement; shared by the operator and the ledger's judge. Pure.

============  ==============================================================
``counting``  the ledger's integers as the evidence's cohorts
``asking``    `spec.rollout` as the evidence's question, and its judgement
============  ==============================================================
"""
