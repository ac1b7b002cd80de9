package main

import (
	"os"
	"os/signal"
	"syscall"
)

// pause holds a pod's namespaces open until it is told to end.
func pause() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}
