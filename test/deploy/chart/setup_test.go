// Package chart_test tests the Helm chart: it renders it with Helm, validates the objects
// with Kubernetes' own code, and checks what neither of them would notice.
package chart_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	"sigs.k8s.io/yaml"
)

const (
	root      = "../../.."
	chartDir  = "deploy/helm/mocktenant" // relative to the root
	namespace = "tenants"
)

// helmProgram builds the Helm version pinned in tools/ and returns its file. For each call,
// go tool helm would read all of Helm's modules again.
var helmProgram = sync.OnceValues(func() (string, error) {
	c := exec.Command("go", "tool", "-modfile=tools/helm.mod", "-n", "helm")
	c.Dir = root
	out, err := c.Output()
	return strings.TrimSpace(string(out)), err
})

// helm runs Helm, without what this machine's user has set for it.
func helm(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	program, err := helmProgram()
	if err != nil {
		t.Fatalf("go tool -n helm: %v", err)
	}
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir = root
	c.Env = append(os.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	err = c.Run()
	return out.String(), log.String(), err
}

// values returns the path of a values file in testdata.
func values(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return "--values=" + path
}

// objects are the result of rendering a chart.
type objects []metav1.Object

// render renders the chart with a values file from testdata, including hooks, and decodes
// each object as an API server does.
func render(t *testing.T, name string) objects {
	t.Helper()
	out, log, err := helm(t, "template", "mock", chartDir, "--namespace="+namespace, values(t, name))
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, log)
	}
	var all objects
	for _, text := range regexp.MustCompile(`(?m)^---\n`).Split(out, -1) {
		if strings.TrimSpace(text) != "" {
			all = append(all, read(t, text))
		}
	}
	return all
}

// strict refuses what an API server warns about or drops: unknown and duplicate fields.
var strict = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

func read(t *testing.T, text string) metav1.Object {
	t.Helper()
	if strings.Contains(text, "\nkind: ServiceMonitor\n") {
		var m monitoring.ServiceMonitor
		if err := yaml.UnmarshalStrict([]byte(text), &m); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return &m
	}
	o, _, err := strict.Decode([]byte(text), nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	m, err := meta.Accessor(o)
	if err != nil {
		t.Fatal(err)
	}
	// An API server does this for an object without a namespace.
	m.SetNamespace(namespace)
	if bad := validate(t, o); len(bad) > 0 {
		t.Errorf("%v\n%s", bad.ToAggregate(), text)
	}
	return m
}

// validate does what an API server does with an object that it creates: it sets defaults
// and validates.
func validate(t *testing.T, o runtime.Object) field.ErrorList {
	t.Helper()
	o = o.DeepCopyObject()
	legacyscheme.Scheme.Default(o)
	internal, err := legacyscheme.Scheme.ConvertToVersion(o, internalVersion(o))
	if err != nil {
		t.Fatal(err)
	}
	switch o := internal.(type) {
	case *apps.Deployment:
		return appsvalidation.ValidateDeployment(o, corevalidation.PodValidationOptions{})
	case *batch.Job:
		spec := batch.JobTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec} // the selector is set later
		return batchvalidation.ValidateJobTemplateSpec(&spec, nil, nil, corevalidation.PodValidationOptions{})
	case *core.Pod:
		return corevalidation.ValidatePodCreate(o, corevalidation.PodValidationOptions{})
	case *core.Service:
		return corevalidation.ValidateServiceCreate(o)
	case *core.Secret:
		return corevalidation.ValidateSecret(o)
	case *core.ConfigMap:
		return corevalidation.ValidateConfigMap(o)
	case *core.ServiceAccount:
		return corevalidation.ValidateServiceAccount(o)
	case *networking.NetworkPolicy:
		return networkingvalidation.ValidateNetworkPolicy(o, networkingvalidation.NetworkPolicyValidationOptions{})
	case *networking.Ingress:
		return networkingvalidation.ValidateIngressCreate(o)
	case *policy.PodDisruptionBudget:
		return policyvalidation.ValidatePodDisruptionBudget(o, policyvalidation.PodDisruptionBudgetValidationOptions{})
	}
	t.Fatalf("nothing here validates a %T", internal)
	return nil
}

func internalVersion(o runtime.Object) runtime.GroupVersioner {
	g := o.GetObjectKind().GroupVersionKind().GroupVersion()
	g.Version = runtime.APIVersionInternal
	return g
}

// only returns the objects of a type.
func only[T metav1.Object](all objects) (some []T) {
	for _, o := range all {
		if o, ok := o.(T); ok {
			some = append(some, o)
		}
	}
	return some
}

// one returns the only object of a type.
func one[T metav1.Object](t *testing.T, all objects) T {
	t.Helper()
	some := only[T](all)
	if len(some) != 1 {
		t.Fatalf("%d of %T, want one", len(some), *new(T))
	}
	return some[0]
}

// pod is a pod made by the chart, and the object that it belongs to.
type pod struct {
	of       string
	labels   map[string]string
	template corev1.PodTemplateSpec
}

func pods(all objects) (some []pod) {
	add := func(o metav1.Object, template corev1.PodTemplateSpec) {
		some = append(some, pod{fmt.Sprintf("%T %s", o, o.GetName()), template.Labels, template})
	}
	for _, o := range all {
		switch o := o.(type) {
		case *appsv1.Deployment:
			add(o, o.Spec.Template)
		case *batchv1.Job:
			add(o, o.Spec.Template)
		case *corev1.Pod:
			add(o, corev1.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec})
		}
	}
	return some
}
