"""The Python API: one call for each verb.

    outcome = await sametag.upgrade("shop", tag="0.0.6", namespace="shop", on_event=print)

Every call that talks to a cluster takes `ClusterOptions` as keyword arguments, and every call that changes a release
takes `CallOptions`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

from sametag import chart as charts
from sametag import values as values_package
from sametag.validation.subcharts import checker
from sametag.values import Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Unpack

    from sametag.chart import Chart
    from sametag.deploy import Event, Options, Outcome, Request, Status, Unlocked
    from sametag.helm import Revision
    from sametag.kube.connection import Target
    from sametag.values import Problem

    #: A values file, several in Helm's order, or `Sources` with the equivalents of `--set`.
    ValuesInput = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | Sources


class ClusterOptions(TypedDict, total=False):
    """Where a release is. The defaults are Helm's, including its environment variables.

    Attributes:
        namespace: The namespace of the release.
        context: The context of the kubeconfig.
        kubeconfig: The path of the kubeconfig.
    """

    namespace: str | None
    context: str | None
    kubeconfig: str | None


class CallOptions(ClusterOptions, total=False):
    """Where a release is, and how it is changed.

    Attributes:
        on_event: Called with each event, in order.
        options: How to deploy.
    """

    on_event: Callable[[Event], object] | None
    options: Options | None


def validate(
    values: ValuesInput, *, tag: str | None = None, chart: Chart | str | None = None, release: str | None = None
) -> list[Problem]:
    """Check values against the chart's schema and rules, without a cluster and without Helm.

    Args:
        values: The values files, or `Sources`.
        tag: The `image.tag` to set.
        chart: The chart, or its path; default: the one that comes with sametag.
        release: The name of the release, if names that are too long with it are to be found.

    Returns:
        The problems, errors and warnings, each with its place and rule; empty if there are none.
    """
    return checker(_chart(chart), release)(values_package.load(_sources(values, tag)))


def load_chart(path: str | None = None) -> Chart:
    """Read a chart from a folder or an archive; default: the one that comes with sametag.

    Raises:
        UsageError: It is not a chart.
    """
    return charts.load(path)


async def install(
    release: str,
    values: ValuesInput,
    *,
    tag: str | None = None,
    chart: Chart | str | None = None,
    **call: Unpack[CallOptions],
) -> Outcome | None:
    """Install a release, and wait until every pod of every service is ready; a failed install is removed again.

    Args:
        release: The name of the release.
        values: The values files, or `Sources`.
        tag: The `image.tag` of every service.
        chart: The chart, or its path; default: the one that comes with sametag.
        call: See `CallOptions`.

    Returns:
        The outcome; None after a dry run.

    Raises:
        ValuesError: The values are invalid; a `Problems` event has the reasons.
        UsageError: The release exists.
        RolloutError: A service did not become ready.
        SametagError: The cluster or Helm rejects the change; nothing was changed.
    """
    from sametag import deploy

    request = _request(release, call)
    return await deploy.install(request, _chart(chart), _sources(values, tag))


async def upgrade(
    release: str,
    *,
    tag: str | None = None,
    values: ValuesInput = (),
    install: bool = False,
    chart: Chart | str | None = None,
    **call: Unpack[CallOptions],
) -> Outcome | None:
    """Move every service of a release to a tag, and wait until every pod is ready; a failed upgrade is rolled back.

    Args:
        release: The name of the release.
        tag: The `image.tag` of every service; default: the one that it has.
        values: Values files replace the values of the release; without files, those are kept.
        install: Whether to install the release if it does not exist.
        chart: The chart, or its path; default: the one that comes with sametag.
        call: See `CallOptions`.

    Returns:
        The outcome; None after a dry run.

    Raises:
        ValuesError: The values are invalid; a `Problems` event has the reasons.
        RolloutError: A service did not become ready.
        SametagError: The release does not exist, or the cluster or Helm rejects the change; nothing was changed.
    """
    from sametag import deploy

    request = _request(release, call)
    return await deploy.upgrade(request, _chart(chart), _sources(values, tag), install=install)


async def rollback(
    release: str,
    *,
    to_tag: str | None = None,
    to_revision: int | None = None,
    **call: Unpack[CallOptions],
) -> Outcome | None:
    """Roll every service of a release back, by default to the last verified revision with another tag.

    Args:
        release: The name of the release.
        to_tag: The tag to go back to.
        to_revision: The number of the revision to go back to.
        call: See `CallOptions`.

    Returns:
        The outcome; None after a dry run.

    Raises:
        UsageError: There is no such revision or tag.
        RolloutError: A service did not become ready.
        SametagError: The release does not exist, or the cluster or Helm rejects the change; nothing was changed.
    """
    from sametag import deploy

    request = _request(release, call)
    return await deploy.rollback(request, to_tag=to_tag, to_revision=to_revision)


async def uninstall(
    release: str,
    *,
    keep_history: bool = False,
    **call: Unpack[CallOptions],
) -> None:
    """Remove a release and the objects of its hooks; events report what is kept.

    Raises:
        LockedError: Another client is changing it.
        HelmError: The release does not exist, or Helm failed.
    """
    from sametag import deploy

    request = _request(release, call)
    await deploy.uninstall(request, keep_history=keep_history)


async def unlock(
    release: str,
    **call: Unpack[CallOptions],
) -> Unlocked:
    """Recover a release that a crashed client left pending; no service is changed.

    Raises:
        LockedError: The client may still be at work.
        HelmError: The release does not exist.
    """
    from sametag import deploy

    request = _request(release, {"options": deploy.Options(lock_timeout=deploy.UNLOCK_WAIT), **call})
    return await deploy.unlock(request)


async def status(release: str, **cluster: Unpack[ClusterOptions]) -> Status:
    """Return what runs for a release, and how it differs from its newest revision.

    Raises:
        SametagError: The release does not exist, or the cluster rejects the request.
    """
    from sametag import deploy

    return await deploy.status(_target(release, cluster), release)


async def history(release: str, **cluster: Unpack[ClusterOptions]) -> list[Revision]:
    """Return the revisions of a release, oldest first.

    Raises:
        SametagError: The release does not exist, or the cluster rejects the request.
    """
    from sametag import helm
    from sametag.kube.connection import connect

    target = _target(release, cluster)
    async with connect(target) as client:
        revisions = await helm.revisions(client, release)
        helm.current(revisions, release, target.resolved_namespace)
        return revisions


def _request(release: str, call: CallOptions) -> Request:
    from sametag.deploy import Options, Request

    on_event = call.get("on_event")

    def report(event: Event) -> None:
        if on_event:
            on_event(event)

    return Request(_target(release, call), release, report, call.get("options") or Options())


def _target(release: str, cluster: ClusterOptions) -> Target:
    from sametag.kube.connection import Target
    from sametag.kube.objects import check_release

    check_release(release)
    return Target(cluster.get("kubeconfig"), cluster.get("context"), cluster.get("namespace"))


def _chart(chart: Chart | str | None) -> Chart:
    return charts.load(chart) if chart is None or isinstance(chart, str) else chart


def _sources(values: ValuesInput, tag: str | None) -> Sources:
    if not isinstance(values, Sources):
        paths = [values] if isinstance(values, str | os.PathLike) else values
        values = Sources(files=tuple(os.fspath(path) for path in paths))
    return values._replace(tag=tag) if tag is not None else values
