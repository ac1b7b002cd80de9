"""What the API server accepts, `sametag validate` accepts: random services with one loose piece, sent as a dry run.

Only those count that the API server takes, and whose loose piece reaches it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import asking
import loosening
import sense
from asking import BATCH, EXAMPLES, SEED, Excuse, Oracle, Refusal
from generating import Generator

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNCHECKED = "--skip-schema-validation"

#: What the API server takes and we refuse on purpose: the words of the problem, and why.
STRICTER: tuple[Excuse, ...] = (
    Excuse(
        r"(claimName|secretName|configMap\.name|secret\.name|existing|topologyKey|values\[\d+\]) must be",
        "nothing can be called so, and what waits for it never starts",
    ),
    Excuse(r"sources\[\d+\]\.\w+\.name must be", "nothing can be called so, and what waits for it never starts"),
    Excuse("tcpSocket|stopSignal|windowsOptions|podCertificate|clusterTrustBundle|fileKeyRef|claims", "not for here"),
    Excuse(r"\.hook\.", "Helm's words, which the API server does not know"),
    Excuse("medium must be", "nothing mounts another medium"),
    Excuse("(Seconds|Threshold) must be at least 1", "0 is the default, in disguise"),
    Excuse("terminationGracePeriodSeconds must be at least 0", "the API server makes 1 of it"),
    Excuse("must be at most (86400|3600)", "a day, or an hour, is the most that makes sense"),
    Excuse("thousandths of a byte|no pod would start", "the kubelet starts no such pod"),
    Excuse("must be a host name", "a name whose last part is a number is an address"),
    Excuse('must not be empty|got the string ""', "nothing is said by leaving it out"),
    Excuse(r"items\[\d+\]\.key must be", "no key can be called so"),
    Excuse("monitor.path must start with '/'", "every path does"),
    Excuse("mountPath must be an absolute path", "it would be taken for one"),
    Excuse(r"(secretRef|configMapRef)\.name must be|resource.name must be", "there is nothing of that name"),
    Excuse("revisionHistoryLimit must be at least 0", "less than none cannot be kept"),
    Excuse("tolerance must be", "a fraction as a number, which KEDA refuses"),
    Excuse(r"sleep.seconds must be at least 1|probes.port must be at least 1", "0 does nothing"),
    Excuse(r"keda.*\.policies\[\d+\]\.type must be", "the autoscaler that KEDA makes of it would be refused"),
    Excuse("hostIP must be an IP address", "the kubelet cannot listen there"),
    Excuse("strategy.rollingUpdate.maxUnavailable must be", "of a StatefulSet, it depends on a feature gate"),
)


def test_what_the_api_server_accepts_validate_accepts(oracle: Oracle) -> None:
    dice = random.Random(SEED)  # noqa: S311 - the same services on every run
    taken: list[dict[str, Any]] = []
    refused: list[Refusal] = []
    for services in loose(oracle, dice):
        untaken = oracle.refusals(services, _UNCHECKED)
        some = {name: service for name, service in services.items() if name not in untaken}
        taken += some.values()
        for name, problems in asking.problems(some).items():
            refused += [Refusal(some[name], problem.rule, problem.message) for problem in problems]
        if len(taken) >= EXAMPLES:
            break
    left = asking.unexcused(refused, STRICTER)
    print(f"the API server took {len(taken)} services, SEED={SEED}; of those {len(refused)} are refused on purpose")
    assert left == [], asking.report(left)


def loose(oracle: Oracle, dice: random.Random) -> Iterator[dict[str, Any]]:
    """Yield services of which Kubernetes takes some, endlessly."""
    generator = Generator(asking.DESCRIBED, dice)
    while True:
        valid = sense.accepted(generator, dice, BATCH // 2)
        mutants = {name: loosening.mutant(service, dice) for name, service in valid.items()}
        before, after = oracle.sent(valid), oracle.sent(mutants, _UNCHECKED)
        loosened = [mutant for name, mutant in mutants.items() if before.get(name) != after.get(name)]
        loosened += [loosening.pieces(dice) for _ in range(BATCH - len(loosened))]
        yield {f"s{number}": service for number, service in enumerate(loosened)}
