"""Events of rollouts as the deploy layer reports them, for the outputs under test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.deploy import Failure, Progress, Start, Step
from sametag.rollout import Evidence, PodState, ServiceState, Trouble

if TYPE_CHECKING:
    from sametag.deploy import Event
    from sametag.deploy.events import Verb

REPOSITORY = "registry.example.com/app"
OLD, NEW, MISSING = "0.0.5", "0.0.6", "0.0.7"


def pod(name: str, tag: str, *, ready: bool = True) -> PodState:
    return PodState(name, (f"{REPOSITORY}:{tag}",), ready=ready, restarts=0, digests=("",))


def running(name: str, tag: str, generation: int = 1) -> ServiceState:
    """A service with its one pod ready."""
    return ServiceState(
        name,
        workload=name,
        uid=name,
        generation=generation,
        desired=1,
        updated=1,
        ready=1,
        observed=True,
        pods=(pod(f"{name}-{tag}", tag),),
        on_tag=True,
    )


def moving(name: str, old: str, new: str, *, ready: bool = False, troubles: tuple[Trouble, ...] = ()) -> ServiceState:
    """A service whose new pod is there, and its old one too."""
    return ServiceState(
        name,
        workload=name,
        uid=name,
        generation=2,
        desired=1,
        updated=1,
        ready=1,
        observed=True,
        pods=(pod(f"{name}-{new}", new, ready=ready),),
        others=(pod(f"{name}-{old}", old),),
        troubles=troubles,
    )


def start(action: Verb, tag: str) -> Start:
    return Start(action, "shop", "apps", tag)


def progress(seconds: float, old: str, *states: ServiceState) -> Progress:
    return Progress(states, {state.name: running(state.name, old) for state in states}, seconds)


def good_upgrade() -> list[Event]:
    """Two services move from OLD to NEW."""
    return [
        start("upgrade", NEW),
        progress(0.1, OLD, running("api", OLD), running("web", OLD)),
        progress(0.9, OLD, moving("api", OLD, NEW), running("web", OLD)),
        progress(1.0, OLD, moving("api", OLD, NEW), moving("web", OLD, NEW)),
        progress(2.5, OLD, running("api", NEW, 2), moving("web", OLD, NEW, ready=True)),
        progress(3.0, OLD, running("api", NEW, 2), running("web", NEW, 2)),
    ]


def crash(service: str = "web", tag: str = MISSING) -> Evidence:
    trouble = Trouble("CrashLoopBackOff", "2 restarts; ended with exit code 1 (Error)", f"{service}-{tag}", service)
    log = ("listening on :8080", "<script>alert(1)</script> & \x1b[31mpanic\x1b[0m: ]]> no database")
    return Evidence(service, trouble, ("BackOff: Back-off restarting failed container",), log)


def failed_upgrade() -> list[Event]:
    """Of two services one crashes on MISSING; both go back to OLD."""
    found = crash()
    return [
        start("upgrade", MISSING),
        progress(0.9, OLD, moving("api", OLD, MISSING), moving("web", OLD, MISSING)),
        progress(2.5, OLD, running("api", MISSING, 2), moving("web", OLD, MISSING, troubles=(found.trouble,))),
        Failure((found,)),
        Step(f"rolling back to {OLD} (revision 1)"),
        start("rollback", OLD),
        progress(1.0, MISSING, moving("api", MISSING, OLD), moving("web", MISSING, OLD, ready=True)),
        progress(2.0, MISSING, running("api", OLD, 3), running("web", OLD, 3)),
    ]
