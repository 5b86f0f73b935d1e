// Package resolver reads credentials of triggers; this file stands for the handlers of clouds' secret stores.
package resolver

import (
	"errors"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
)

var errCloudless = errors.New("this build of KEDA has no handlers of secret stores")

type cloudlessHandler struct{}

func (cloudlessHandler) Initialize(...any) error { return errCloudless }

func (cloudlessHandler) Read(...any) (string, error) { return "", errCloudless }

func (cloudlessHandler) ResolveSecrets([]kedav1alpha1.VaultSecret) ([]kedav1alpha1.VaultSecret, error) {
	return nil, errCloudless
}

func (cloudlessHandler) Stop() {}

func NewHashicorpVaultHandler(...any) cloudlessHandler { return cloudlessHandler{} }

func NewAzureKeyVaultHandler(...any) cloudlessHandler { return cloudlessHandler{} }

func NewGCPSecretManagerHandler(...any) cloudlessHandler { return cloudlessHandler{} }

func NewAwsSecretManagerHandler(...any) cloudlessHandler { return cloudlessHandler{} }
