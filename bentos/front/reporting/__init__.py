"""What a predictor tells the ledger: which units saw which arm, and how many requests failed or were slow.

``counting`` is pure and in memory, on the path of each request. Once a second ``reporter`` takes what was counted out
and hands it to a thread of its own, where ``batches`` packs it, ``sending`` posts it, and ``spooling`` keeps in files
what the ledger does not take at the moment; ``delivery`` decides between the two.
"""
