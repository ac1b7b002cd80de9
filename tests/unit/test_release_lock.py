"""One deployer at a time: who gets the lease, who waits, who is found dead."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret

from sametag.deploy.leash import Leash
from sametag.deploy.lock import Lock, hold
from sametag.errors import ClusterError, LockedError
from sametag.helm.revision import Revision
from sametag.kube.connection import Target, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lightkube import AsyncClient

    from fake_api import ApiServer

#: A leash with no watchdog at its other end.
LOOSE = Leash(lambda _: None)

LEASE = "/apis/coordination.k8s.io/v1/namespaces/apps/leases/sametag-app"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease of 1 s, renewed after 0.1 s."""
    for name, seconds in {"_DURATION": 1, "_RENEW": 0.1, "_POLL": 0.02}.items():
        monkeypatch.setattr(f"sametag.deploy.lock.{name}", seconds)


def run(api: ApiServer, main: Callable[[AsyncClient], Coroutine[Any, Any, None]]) -> None:
    async def connected() -> None:
        async with connect(Target(kubeconfig=str(api.kubeconfig))) as client:
            await main(client)

    asyncio.run(connected())


def micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def held_by(who: str, renewed: datetime, tag: str = "0.0.5") -> dict[str, Any]:
    times = {"acquireTime": "2026-01-02T03:04:05.000001Z", "renewTime": micro(renewed)}
    return {
        "metadata": {"annotations": {"sametag/tag": tag}},
        "spec": {"holderIdentity": who, "leaseDurationSeconds": 15, "leaseTransitions": 1, **times},
    }


def holder(api: ApiServer) -> str:
    found: str = api.objects[LEASE]["spec"]["holderIdentity"]
    return found


def test_a_lease_says_who_deploys_which_tag_and_is_given_back(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        await lock.tell("0.0.6", 7)
        assert holder(api).startswith("alice@laptop/")
        assert api.objects[LEASE]["metadata"]["annotations"] == {"sametag/tag": "0.0.6", "sametag/revision": "7"}
        await lock.end()
        assert holder(api) == ""
        assert lock.dead is None

        await lock.acquire(0, print)
        lock.obsolete = True
        await lock.end()
        assert api.objects == {}

    run(api, main)


def test_a_write_that_was_cut_off_does_not_keep_the_lease(api: ApiServer) -> None:
    """The API server may have done it all the same: nobody has to wait for a client that ended in good order."""

    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        taking = asyncio.create_task(lock.acquire(0, print))
        while LEASE not in api.objects:
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait({taking})
        await lock.end()
        assert holder(api) == ""

        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        api.put(LEASE, api.objects[LEASE])
        await lock.end()
        assert holder(api) == ""

    run(api, main)


def test_a_second_deployer_waits_is_told_once_and_then_says_who_since_when_and_for_which_tag(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        first, told = Lock(client, "app", "alice@laptop"), list[str]()
        await first.acquire(0, print)
        async with hold(first, LOOSE):
            await first.tell("0.0.6", 7)
            with pytest.raises(LockedError, match=r"locked by alice@laptop for tag 0\.0\.6, since 20") as caught:
                await Lock(client, "app", "bob@desk").acquire(1, told.append)
        assert caught.value.exit_code == 7
        assert len(told) == 1
        assert told[0].startswith("waiting for alice@laptop for tag 0.0.6, since 20")

    run(api, main)


def test_an_unlock_does_not_wait_for_who_lives(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        first = Lock(client, "app", "alice@laptop")
        await first.acquire(0, print)
        async with hold(first, LOOSE):
            began = asyncio.get_running_loop().time()
            with pytest.raises(LockedError, match="locked by alice@laptop"):
                await Lock(client, "app", "bob@desk").acquire(60, lambda _: None, from_the_dead=True)
            assert asyncio.get_running_loop().time() - began < 10

    run(api, main)


def test_a_waiting_deployer_goes_on_as_soon_as_the_lease_is_given_back(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        first, second = Lock(client, "app", "alice@laptop"), Lock(client, "app", "bob@desk")
        await first.acquire(0, print)
        waiting = asyncio.create_task(second.acquire(5, lambda _: None))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await first.end()
        await waiting
        assert holder(api).startswith("bob@desk/")
        assert second.dead is None

    run(api, main)


@pytest.mark.parametrize("skew", [timedelta(hours=1), timedelta(minutes=-1)])
def test_a_dead_holder_is_found_out_by_watching_whatever_its_clock_says(api: ApiServer, skew: timedelta) -> None:
    api.put(LEASE, held_by("carol@ci/1", datetime.now(UTC) + skew))

    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "bob@desk")
        with pytest.raises(LockedError):
            await lock.acquire(0, print)
        await lock.acquire(3, lambda _: None)
        assert lock.dead is not None
        assert (lock.dead.who, lock.dead.tag) == ("carol@ci", "0.0.5")
        assert holder(api).startswith("bob@desk/")

    run(api, main)


@pytest.mark.parametrize("behind", [timedelta(hours=1), timedelta(days=3000)])
@pytest.mark.parametrize("from_the_dead", [False, True])
def test_a_living_holder_whose_clock_is_behind_is_not_taken_over(
    api: ApiServer, behind: timedelta, *, from_the_dead: bool
) -> None:
    async def main(client: AsyncClient) -> None:
        first = Lock(client, "app", "alice@laptop", lambda: datetime.now(UTC) - behind)
        await first.acquire(0, print)
        async with hold(first, LOOSE):
            with pytest.raises(LockedError, match="locked by alice@laptop"):
                await Lock(client, "app", "bob@desk").acquire(2, lambda _: None, from_the_dead=from_the_dead)
        assert first.lost is None

    run(api, main)


def test_a_living_holder_whose_clock_stands_still_is_seen_to_live(api: ApiServer) -> None:
    still = datetime(2020, 1, 1, tzinfo=UTC)

    async def main(client: AsyncClient) -> None:
        first = Lock(client, "app", "alice@laptop", lambda: still)
        await first.acquire(0, print)
        async with hold(first, LOOSE):
            with pytest.raises(LockedError, match="locked by alice@laptop"):
                await Lock(client, "app", "bob@desk").acquire(2, lambda _: None)
        assert first.lost is None

    run(api, main)


def test_an_old_renewal_is_watched_for_as_long_as_a_young_one(api: ApiServer) -> None:
    api.put(LEASE, held_by("carol@ci/1", datetime.now(UTC) - timedelta(days=1)))

    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "bob@desk")
        with pytest.raises(LockedError):
            await lock.acquire(0.5, print)
        await lock.acquire(3, print)
        assert lock.dead is not None

    run(api, main)


def revision(number: int, written: str) -> Revision:
    stored = Secret(metadata=ObjectMeta(creationTimestamp=datetime.fromisoformat(written)))
    return Revision({"name": "app", "version": number}, stored)


def test_the_dead_made_the_revision_that_they_announced_before_their_lease_ran_out(api: ApiServer) -> None:
    """By the API server's clock on both sides: theirs and ours are hours apart."""
    held = held_by("carol@ci/1", datetime(2020, 1, 1, tzinfo=UTC))
    held["metadata"]["annotations"]["sametag/revision"] = "7"
    held["metadata"]["managedFields"] = [{"manager": "x", "operation": "Update", "time": "2026-01-02T03:10:00Z"}]
    api.put(LEASE, held)

    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "bob@desk")
        await lock.acquire(3, print)
        assert lock.dead is not None
        assert lock.dead.made(revision(7, "2026-01-02T03:09:00Z"))
        assert lock.dead.made(revision(7, "2026-01-02T03:10:01Z"))
        assert not lock.dead.made(revision(7, "2026-01-02T03:11:00Z")), "somebody else's, who came later"
        assert not lock.dead.made(revision(8, "2026-01-02T03:09:00Z"))
        assert not lock.dead.made(Revision({"name": "app", "version": 7}))

    run(api, main)


def test_of_five_at_once_exactly_one_works_at_a_time_and_all_get_their_turn(api: ApiServer) -> None:
    working = list[str]()
    turns = list[str]()

    async def deploy(client: AsyncClient, who: str) -> None:
        lock = Lock(client, "app", who)
        await lock.acquire(10, lambda _: None)
        async with hold(lock, LOOSE):
            working.append(who)
            assert working == [who]
            await asyncio.sleep(0.05)
            working.remove(who)
            turns.append(who)
        await lock.end()

    async def main(client: AsyncClient) -> None:
        await asyncio.gather(*(deploy(client, f"user{number}@host") for number in range(5)))

    run(api, main)
    assert sorted(turns) == [f"user{number}@host" for number in range(5)]


def test_who_was_taken_over_stops_and_says_by_whom_and_leaves_the_others_lease_alone(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        api.put(LEASE, held_by("dave@ci/2", datetime.now(UTC), "0.0.7"))

        async def deploy() -> None:
            async with hold(lock, LOOSE):
                await asyncio.sleep(5)

        with pytest.raises(LockedError, match=r"taken over by dave@ci for tag 0\.0\.7"):
            await deploy()
        lock.obsolete = True
        await lock.end()
        assert holder(api) == "dave@ci/2"

    run(api, main)


def test_an_api_server_that_is_away_for_longer_than_the_lease_takes_it_from_nobody(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        async with hold(lock, LOOSE):
            mine = api.objects.pop(LEASE)
            api.answers[LEASE] = (503, {"kind": "Status", "code": 503, "message": "etcd is away"})
            await asyncio.sleep(1.5)
            api.objects[LEASE] = mine
            del api.answers[LEASE]
            before = mine["spec"]["renewTime"]
            await asyncio.sleep(0.5)
        assert lock.lost is None
        assert api.objects[LEASE]["spec"]["renewTime"] > before

    run(api, main)


def test_ctrl_c_in_the_block_stays_a_cancellation(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)

        async def deploy() -> None:
            async with hold(lock, LOOSE):
                await asyncio.sleep(5)

        task = asyncio.create_task(deploy())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(api, main)


def refused(code: int, message: str) -> tuple[int, dict[str, Any]]:
    return code, {"kind": "Status", "code": code, "message": message}


async def deploy_until_lost(lock: Lock) -> None:
    async with hold(lock, LOOSE):
        await asyncio.sleep(10)


@pytest.mark.parametrize("gone", ["deleted", "freed"])
def test_a_lease_that_nobody_holds_is_taken_again(api: ApiServer, gone: str) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        async with hold(lock, LOOSE):
            await lock.tell("0.0.6", 7)
            if gone == "deleted":
                del api.objects[LEASE]
            else:
                freed = api.objects[LEASE]
                api.put(LEASE, {**freed, "spec": {**freed["spec"], "holderIdentity": ""}})
            async with asyncio.timeout(20):
                while LEASE not in api.objects or not holder(api).startswith("alice@laptop/"):
                    await asyncio.sleep(0.05)
            assert api.objects[LEASE]["metadata"]["annotations"]["sametag/tag"] == "0.0.6"
        assert lock.lost is None

    run(api, main)


def test_who_took_over_and_ended_meanwhile_has_taken_over_all_the_same(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        spec = api.objects[LEASE]["spec"]
        api.put(LEASE, {"spec": {**spec, "holderIdentity": "", "leaseTransitions": spec["leaseTransitions"] + 1}})
        with pytest.raises(LockedError, match="taken over by another client, which is done by now"):
            await deploy_until_lost(lock)
        assert holder(api) == ""

    run(api, main)


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        (401, "Unauthorized", "the credentials are no longer accepted: Unauthorized"),
        (403, "no leases for alice", "the permission was revoked: no leases for alice"),
    ],
)
def test_renewals_that_are_refused_end_the_rollout_with_the_reason_within_seconds(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, code: int, message: str, said: str
) -> None:
    monkeypatch.setattr("sametag.deploy.lock._REFUSED", 0.5)

    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        api.answers[f"PUT {LEASE}"] = refused(code, message)
        with pytest.raises(ClusterError, match=said):
            await deploy_until_lost(lock)

    run(api, main)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ClusterError("the plugin login failed"), "could not be renewed.*: the plugin login failed"),
        (KeyError("x"), "x"),
    ],
)
def test_nobody_works_on_without_a_lease_whatever_keeps_it_from_being_renewed(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)

        async def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(client, "replace", fail)
        with pytest.raises(type(error), match=said):
            await deploy_until_lost(lock)

    run(api, main)


def test_an_api_server_that_refuses_for_a_moment_while_it_starts_ends_nothing(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        async with hold(lock, LOOSE):
            for _ in range(2):
                api.answers[f"PUT {LEASE}"] = refused(403, "RBAC is not there yet")
                await asyncio.sleep(0.3)
                del api.answers[f"PUT {LEASE}"]
                await asyncio.sleep(0.3)
        assert lock.lost is None

    run(api, main)


def test_a_namespace_that_is_deleted_is_said(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        del api.objects[LEASE]
        ending = "unable to create new content in namespace apps because it is being terminated"
        api.answers[f"POST {LEASE.rpartition('/')[0]}"] = refused(403, ending)
        with pytest.raises(ClusterError, match="namespace apps because it is being terminated"):
            await deploy_until_lost(lock)

    run(api, main)


def test_no_helm_begins_once_the_lease_is_lost(api: ApiServer) -> None:
    async def main(client: AsyncClient) -> None:
        lock = Lock(client, "app", "alice@laptop")
        await lock.acquire(0, print)
        api.put(LEASE, held_by("dave@ci/2", datetime.now(UTC), "0.0.7"))
        with pytest.raises(LockedError, match="taken over by dave@ci"):
            await lock.tell("0.0.6", 7)

    run(api, main)
