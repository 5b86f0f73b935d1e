// Command metrics-server serves the resource metrics API that `kubectl top` and the HPA read.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/metrics-server/cmd/metrics-server/app/options"
	"sigs.k8s.io/metrics-server/pkg/api"
	"sigs.k8s.io/metrics-server/pkg/api/generated/openapi"
)

func main() {
	if err := run(server.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "metrics-server:", err)
		os.Exit(1)
	}
}

func run(stop <-chan struct{}) error {
	settings := options.NewOptions()
	flags := pflag.NewFlagSet("metrics-server", pflag.ExitOnError)
	for _, set := range settings.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	config, err := settings.ServerConfig()
	if err != nil {
		return err
	}
	namer := openapinamer.NewDefinitionNamer(api.Scheme)
	config.Apiserver.OpenAPIConfig = server.DefaultOpenAPIConfig(definitions, namer)
	config.Apiserver.OpenAPIV3Config = server.DefaultOpenAPIV3Config(definitions, namer)
	instance, err := config.Complete()
	if err != nil {
		return err
	}
	return instance.RunUntil(stop)
}

// definitions are metrics-server's own under the names that Kubernetes 1.35 gives its types: those of
// the REST API, where the release that metrics-server was generated with took Go's package paths.
func definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	renamed := map[string]common.OpenAPIDefinition{}
	generated := openapi.GetOpenAPIDefinitions(func(path string) spec.Ref { return ref(util.ToRESTFriendlyName(path)) })
	for name, definition := range generated {
		needed := make([]string, len(definition.Dependencies))
		for i, other := range definition.Dependencies {
			needed[i] = util.ToRESTFriendlyName(other)
		}
		definition.Dependencies = needed
		renamed[util.ToRESTFriendlyName(name)] = definition
	}
	return renamed
}
