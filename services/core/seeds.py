"""Seeds: every request to a model has its own, derived from what is asked."""

from hashlib import blake2b


def derive_seed(*parts: object) -> int:
    """Hash the parts to a seed from 0 to 2**31 - 1.

    Engines draw sample i with seed + i, so neighbouring seeds would share samples: a hash has no neighbours.
    """
    digest = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % 2**31
