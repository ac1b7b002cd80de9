"""A real Kubernetes and a real registry on one Linux machine, without Docker: for the tests and the demo.

Standard library only: it runs before anything is installed.
"""

from embedded import images, tools
from embedded.cluster import Cluster
from embedded.process import StartError
from embedded.provide import Provided, provide
from embedded.registry import Registry

__all__ = ["Cluster", "Provided", "Registry", "StartError", "images", "provide", "tools"]
