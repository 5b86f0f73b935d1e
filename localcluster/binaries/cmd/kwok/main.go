// Command kwok simulates the nodes annotated kwok.x-k8s.io/node=fake and the life of the pods on
// them; the control benchmark runs on it.
//
// It starts kwok's controllers without kwok's HTTP server: nothing here reads logs of, or opens a
// shell in, a simulated pod, and the server is bound to another Kubernetes release than ours.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/client/clientset/versioned"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/utils/client"
)

type stages map[internalversion.StageResourceRef][]*internalversion.Stage

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig of the cluster that has the fake nodes")
	files := flag.String("stages", "", "comma-separated files of kwok Stage objects")
	nodeIP := flag.String("node-ip", "127.0.0.1", "address that fake nodes report")
	parallel := flag.Uint("parallelism", 16, "status writes in flight")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, strings.Split(*files, ","), *nodeIP, *parallel); err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string, files []string, nodeIP string, parallel uint) error {
	local, err := loadStages(ctx, files)
	if err != nil {
		return err
	}
	settings, err := connect(kubeconfig)
	if err != nil {
		return err
	}
	settings.Clock = clock.RealClock{}
	settings.ManageNodesWithAnnotationSelector = "kwok.x-k8s.io/node=fake"
	settings.CIDR = "198.18.192.0/18"
	settings.NodeIP = nodeIP
	settings.NodeName = "localhost"
	settings.LocalStages = local
	settings.PodPlayStageParallelism = parallel
	settings.NodePlayStageParallelism = parallel
	settings.NodeLeaseDurationSeconds = 40
	settings.NodeLeaseParallelism = 4
	settings.PodsOnNodeSyncParallelism = 4
	controller, err := controllers.NewController(*settings)
	if err != nil {
		return err
	}
	if err := controller.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func loadStages(ctx context.Context, files []string) (stages, error) {
	loaded, err := config.Load(ctx, files...)
	if err != nil {
		return nil, err
	}
	byResource := stages{}
	for _, stage := range config.FilterWithType[*internalversion.Stage](loaded) {
		byResource[stage.Spec.ResourceRef] = append(byResource[stage.Spec.ResourceRef], stage)
	}
	if len(byResource) == 0 {
		return nil, fmt.Errorf("no Stage in %v: give --stages a file that has some", files)
	}
	return byResource, nil
}

func connect(kubeconfig string) (*controllers.Config, error) {
	clients, err := client.NewClientset("", kubeconfig)
	if err != nil {
		return nil, err
	}
	settings := &controllers.Config{
		ImpersonatingDynamicClient: clients.ToImpersonatingDynamicClient(),
		ImpersonatingTypedClient:   clients.ToImpersonatingTypedClient(),
	}
	restConfig, err := clients.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	if settings.ID, err = controllers.Identity(); err != nil {
		return nil, err
	}
	if settings.DynamicClient, err = clients.ToDynamicClient(); err != nil {
		return nil, err
	}
	if settings.RESTMapper, err = clients.ToRESTMapper(); err != nil {
		return nil, err
	}
	if settings.RESTClient, err = rest.RESTClientFor(restConfig); err != nil {
		return nil, err
	}
	if settings.TypedClient, err = kubernetes.NewForConfig(restConfig); err != nil {
		return nil, err
	}
	settings.TypedKwokClient, err = versioned.NewForConfig(restConfig)
	return settings, err
}
