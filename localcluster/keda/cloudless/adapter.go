// The metrics adapter; this file lets it run on the Kubernetes libraries of the cluster's own programs.
package main

// withoutOpenAPI leaves out a page that no autoscaler reads: the definitions that it is made of were generated for an
// older release, which names the models of its own libraries in another way.
func withoutOpenAPI(adapter *Adapter) error {
	config, err := adapter.Config()
	if err != nil {
		return err
	}
	config.GenericConfig.SkipOpenAPIInstallation = true
	return nil
}
