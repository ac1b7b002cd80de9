"""What `sametag validate` accepts, the API server accepts: random values of every setting, sent as a dry run.

`make fuzz` takes more of them, and others.
"""

from __future__ import annotations

import random

import asking
import sense
from asking import BATCH, EXAMPLES, SEED, Excuse, Oracle, Refusal
from generating import Generator

#: What can be refused all the same: the server's words, and why nobody can foresee them without that cluster.
EXCUSES: tuple[Excuse, ...] = (
    Excuse("not configured for dual-stack|not configured on this cluster", "the cluster has one family of addresses"),
    Excuse("seLinuxChangePolicy: Unsupported value", "MountOption depends on a feature gate of the cluster"),
)


def test_what_validate_accepts_the_api_server_accepts(oracle: Oracle) -> None:
    dice = random.Random(SEED)  # noqa: S311 - the same services on every run
    refused: list[Refusal] = []
    generator = Generator(asking.DESCRIBED, dice)
    for begin in range(0, EXAMPLES, BATCH):
        services = sense.accepted(generator, dice, min(BATCH, EXAMPLES - begin))
        refused += [refusal for refusals in oracle.refusals(services).values() for refusal in refusals]
    print(f"{EXAMPLES} services, SEED={SEED}; the API server was asked about {oracle.asked}")
    assert len(oracle.asked) >= 16
    left = asking.unexcused(refused, EXCUSES)
    assert left == [], asking.report(left)
