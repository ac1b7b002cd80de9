"""The API server: the kubeconfig, the connection, and one client for objects of any kind."""
