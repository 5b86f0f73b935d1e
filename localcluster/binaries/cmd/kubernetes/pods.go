package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
	cri "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"
)

// removePods ends all pods of a container runtime through its own interface, so that network
// namespaces, addresses, port mappings and mounts go too. The kubelet must be stopped before.
func removePods(endpoint string) int {
	logger := klog.Background()
	runtime, err := cri.NewRemoteRuntimeService(endpoint, 10*time.Second, noop.NewTracerProvider(), &logger)
	if err != nil {
		fmt.Fprintln(os.Stderr, "remove-pods:", err)
		return 1
	}
	ctx := context.Background()
	pods, err := runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, "remove-pods: listing:", err)
		return 1
	}
	failures := make([]error, len(pods))
	var group sync.WaitGroup
	for i, pod := range pods {
		group.Go(func() {
			if err := runtime.StopPodSandbox(ctx, pod.Id); err != nil {
				failures[i] = fmt.Errorf("stopping %s/%s: %w", pod.Metadata.Namespace, pod.Metadata.Name, err)
				return
			}
			failures[i] = runtime.RemovePodSandbox(ctx, pod.Id)
		})
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		fmt.Fprintln(os.Stderr, "remove-pods:", err)
		return 1
	}
	fmt.Printf("removed %d pods\n", len(pods))
	return 0
}
