"""From a model's policy and the ledger's integers to a judgement; shared by the operator and the ledger's judge. Pure.

==============  ==============================================================
``counting``    the ledger's integers as the evidence's cohorts
``asking``      `spec.rollout` as the evidence's question, and its judgement
``windows``     the ledger's integers as windows with labels, and which of them have a broken feed
``drifting``    windows of counters to a verdict on drift
``performing``  windows of outcomes by score to a verdict on realised performance
``retraining``  whether to train again
``scheduling``  when a schedule's moments are
``gating``      whether a trained candidate may become a revision
==============  ==============================================================
"""
