"""The book of exposures and outcomes: an HTTP service over SQLite or PostgreSQL.

::

    http        routes, one module each           reads requests, answers problems
    erasing     a subject's key and its entry      mark, enter, destroy, forget
    intake      from a request to entries         prediction ids, clocks; pure
    committing  many entries, one commit          the thread that writes
    access      who is asking, how much they may  tokens, API keys, quotas
    book        what an entry does to the rows    inside of a transaction; SQL that both stores understand
    store       engines, schema, migrations       the only place that knows which database it is
"""
