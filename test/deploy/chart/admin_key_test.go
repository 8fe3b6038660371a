package chart_test

import (
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

// cluster is a cluster with some Secrets for charts to look up.
type cluster struct{ dynamic.Interface }

func newCluster(secrets ...*corev1.Secret) cluster {
	var all []runtime.Object
	for _, s := range secrets {
		all = append(all, s)
	}
	return cluster{fake.NewSimpleDynamicClient(legacyscheme.Scheme, all...)}
}

// GetClientFor is called by Helm's lookup.
func (c cluster) GetClientFor(apiVersion, _ string) (dynamic.NamespaceableResourceInterface, bool, error) {
	return c.Resource(schema.FromAPIVersionAndKind(apiVersion, "").GroupVersion().WithResource("secrets")), true, nil
}

// adminKey renders the Secret that has the administration's key.
func adminKey(t *testing.T, c cluster, admin map[string]any) string {
	t.Helper()
	chart, err := loader.Load(root + "/" + chartDir)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]any{"database": map[string]any{"existingSecret": "database"}}
	if admin != nil {
		given["admin"] = admin
	}
	v, err := util.ToRenderValues(chart, given, common.ReleaseOptions{Name: "mock", Namespace: namespace}, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	all, err := engine.RenderWithClientProvider(chart, v, c)
	if err != nil {
		t.Fatal(err)
	}
	secret := read(t, all["mocktenant/templates/admin-secret.yaml"]).(*corev1.Secret)
	return string(secret.Data["MOCKTENANT_ADMIN_KEY"])
}

// A key is generated once: an upgrade keeps it, and a given key replaces it.
func TestAdminKey(t *testing.T) {
	t.Parallel()
	made, other := adminKey(t, newCluster(), nil), adminKey(t, newCluster(), nil)
	if len(made) != 40 || made == other || strings.ContainsAny(made, " \n") {
		t.Errorf("made %q and %q", made, other)
	}
	installed := newCluster(&corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: "mock-mocktenant-admin", Namespace: namespace},
		Data:       map[string][]byte{"MOCKTENANT_ADMIN_KEY": []byte(made)},
	})
	if got := adminKey(t, installed, nil); got != made {
		t.Errorf("after an upgrade %q, it was %q", got, made)
	}
	given := strings.Repeat("k", 20)
	if got := adminKey(t, installed, map[string]any{"key": given}); got != given {
		t.Errorf("given %q, got %q", given, got)
	}
}
