"""The ledger over HTTP.

aiohttp's server, because the operator has that library already: its parser is C, it drains connections by itself, and
at thousands of records a request the cost of the framework is not what bounds the ledger.
"""
