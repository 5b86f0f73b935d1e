"""The audit log: what Marquee did and why, in a form that nobody can change afterwards without being found out.

::

    witness            a process that checks a log's growth and cosigns it
    committing         many waiters, one durable write; a checkpoint at most a second behind
    recording          events of the control loop become entries: sequence, time, signature
    log                one writer, one tree: append, checkpoint, recover
    checking, proving  fsck; proofs for people who trust nobody
    store              a folder or a bucket behind the same four methods
    tiles, pending     what files there are, and what is in them
    envelope, events   what an entry is: DSSE around an in-toto Statement with a typed predicate
    notes, policy      signed checkpoints, cosignatures, how many of them are enough
    proofs, hashing    the Merkle tree of RFC 6962

`verify_offline` stands beside all of this: one file that an auditor can read, and that imports nothing of ours.

The formats are those of C2SP (https://c2sp.org): tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature,
tlog-proof, tlog-witness. No library with a permissive licence writes tlog-tiles in Python, so the tree is our own.
"""
