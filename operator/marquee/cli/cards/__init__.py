"""Model cards (Mitchell et al. 2019) out of what Marquee knows anyway, and what the spec's card says beside it."""
