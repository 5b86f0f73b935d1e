"""What a predictor does for those whom it decides about: consent, suppression, and decisions kept to be explained.

``making`` begins with the settings of a pod; ``guarding`` says of each request whether its subject is withheld, by
``consent`` (which believes a list, or ``tokens`` signed with ``keys``) and by ``suppressions``, which ``polling``
brings from the ledger. ``answering`` is the endpoints of such a model, and ``decisions`` what is kept of them.
"""
