"""What a user is to type next reaches the same release of the same cluster."""

from __future__ import annotations

from sametag.deploy import Request
from sametag.deploy.hints import command, kubectl_delete, rollback_to
from sametag.helm import Revision
from sametag.kube.connection import Target


def revision(**image: str) -> Revision:
    chart = {"metadata": {"name": "sametag", "version": "0.1.0"}}
    return Revision({"name": "shop", "version": 3, "chart": chart, "config": {"image": image}})


def test_a_command_has_the_flags_that_were_given_and_no_others() -> None:
    assert command(Request(Target(), "shop"), "status") == "sametag status shop"
    target = Target(kubeconfig="/home/a b/config", context="prod", namespace="apps")
    flags = "-n apps --kube-context prod --kubeconfig '/home/a b/config'"
    assert command(Request(target, "shop"), "uninstall") == f"sametag uninstall shop {flags}"
    assert kubectl_delete(Request(target, "shop"), "apps", "Job/x") == (
        "kubectl delete job/x -n apps --context prod --kubeconfig '/home/a b/config'"
    )


def test_the_way_back_is_by_tag_and_by_revision_where_there_is_none() -> None:
    request = Request(Target(), "shop")

    assert rollback_to(request, revision(tag="1.0")) == "sametag rollback shop --to-tag 1.0"
    assert rollback_to(request, revision(digest="sha256:ab")) == "sametag rollback shop --to-revision 3"
