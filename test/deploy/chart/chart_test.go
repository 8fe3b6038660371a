package chart_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
	security "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// each runs a check for each file in testdata.
func each(t *testing.T, check func(*testing.T, objects)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, render(t, name))
		})
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	if out, log, err := helm(t, "lint", "--strict", chartDir, values(t, "everything")); err != nil {
		t.Errorf("%v\n%s%s", err, out, log)
	}
}

// The objects that each values file makes.
func TestObjects(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"required": {
			"Deployment mock-mocktenant", "Job mock-mocktenant-migrate", "NetworkPolicy mock-mocktenant", "Pod mock-mocktenant-test",
			"PodDisruptionBudget mock-mocktenant", "Secret mock-mocktenant-admin", "Service mock-mocktenant", "Service mock-mocktenant-admin",
			"ServiceAccount mock-mocktenant",
		},
		"everything": {
			"ConfigMap graph-seeds", "Deployment graph", "Ingress graph", "Job graph-migrate", "NetworkPolicy graph", "Pod graph-test",
			"PodDisruptionBudget graph", "Secret graph-admin", "Service graph", "Service graph-admin", "ServiceAccount graph", "ServiceMonitor graph",
		},
		"existing": {
			"Deployment mock-mocktenant", "Job mock-mocktenant-migrate", "NetworkPolicy mock-mocktenant", "Pod mock-mocktenant-test",
			"PodDisruptionBudget mock-mocktenant", "Service mock-mocktenant", "Service mock-mocktenant-admin", "ServiceMonitor mock-mocktenant",
		},
		"least": {"Deployment mock-mocktenant", "Pod mock-mocktenant-test", "Service mock-mocktenant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, o := range render(t, name) {
				kind := fmt.Sprintf("%T", o)
				got = append(got, kind[strings.LastIndex(kind, ".")+1:]+" "+o.GetName())
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// Every pod, including those of hooks, satisfies the strictest of Kubernetes' Pod Security
// Standards, and more.
func TestPodsAreLockedDown(t *testing.T) {
	t.Parallel()
	restricted, err := security.NewEvaluator(security.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, all objects) {
		for _, p := range pods(all) {
			spec := p.template.Spec
			level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
			if r := security.AggregateCheckResults(restricted.EvaluatePod(level, &p.template.ObjectMeta, &spec)); !r.Allowed {
				t.Errorf("%s: %s", p.of, r.ForbiddenDetail())
			}
			if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
				t.Errorf("%s has a token", p.of)
			}
			if id := spec.SecurityContext.RunAsUser; !strings.HasSuffix(t.Name(), "existing") && (id == nil || *id != 65532) {
				t.Errorf("%s: user %v", p.of, id)
			}
			for _, c := range spec.Containers {
				if read := c.SecurityContext.ReadOnlyRootFilesystem; read == nil || !*read {
					t.Errorf("%s can write its root", p.of)
				}
				for name, list := range map[string]corev1.ResourceList{"requests": c.Resources.Requests, "limits": c.Resources.Limits} {
					if list.Cpu().IsZero() || list.Memory().IsZero() {
						t.Errorf("%s: %s %v", p.of, name, list)
					}
				}
			}
		}
		for _, a := range only[*corev1.ServiceAccount](all) {
			if a.AutomountServiceAccountToken == nil || *a.AutomountServiceAccountToken {
				t.Error("the service account has a token")
			}
		}
	})
}

// Selectors of pods match exactly the serving pods; selectors of Services match only the
// administration.
func TestSelectors(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, all objects) {
		selectors := map[string]labels.Selector{}
		add := func(o metav1.Object, s *metav1.LabelSelector) {
			selector, err := metav1.LabelSelectorAsSelector(s)
			if err != nil {
				t.Fatal(err)
			}
			selectors[fmt.Sprintf("%T %s", o, o.GetName())] = selector
		}
		d := one[*appsv1.Deployment](t, all)
		add(d, d.Spec.Selector)
		for _, o := range only[*corev1.Service](all) {
			add(o, metav1.SetAsLabelSelector(o.Spec.Selector))
		}
		for _, o := range only[*policyv1.PodDisruptionBudget](all) {
			add(o, o.Spec.Selector)
		}
		for _, o := range only[*networkingv1.NetworkPolicy](all) {
			add(o, &o.Spec.PodSelector)
		}
		spread := d.Spec.Template.Spec.TopologySpreadConstraints
		if len(spread) != 2 {
			t.Errorf("spread: %+v", spread)
		}
		for _, c := range spread {
			add(&metav1.ObjectMeta{Name: c.TopologyKey}, c.LabelSelector)
		}
		for _, p := range pods(all) {
			for of, s := range selectors {
				if serves := strings.HasPrefix(p.of, "*v1.Deployment"); s.Matches(labels.Set(p.labels)) != serves {
					t.Errorf("%s selects %s: %t", of, p.of, !serves)
				}
			}
		}
		for _, m := range only[*monitoring.ServiceMonitor](all) {
			var found []string
			for _, s := range only[*corev1.Service](all) {
				if labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
					found = append(found, s.Spec.Ports[0].Name)
				}
			}
			if e := m.Spec.Endpoints[0]; !slices.Equal(found, []string{e.Port}) || e.Path != "/metrics" {
				t.Errorf("the monitor finds %q, wants %+v", found, e)
			}
		}
	})
}

// Named ports exist.
func TestPorts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, all objects) {
		container := one[*appsv1.Deployment](t, all).Spec.Template.Spec.Containers[0]
		ports := map[string]int32{}
		for _, p := range container.Ports {
			ports[p.Name] = p.ContainerPort
		}
		for setting, port := range map[string]string{"MOCKTENANT_HTTP_ADDR": "http", "MOCKTENANT_HTTPS_ADDR": "https", "MOCKTENANT_ADMIN_ADDR": "admin"} {
			want := ""
			if n := ports[port]; n != 0 {
				want = fmt.Sprintf(":%d", n)
			}
			if got := variable(t, container, setting).Value; got != want {
				t.Errorf("%s %q, port %s %q", setting, got, port, want)
			}
		}
		named := func(of string, port intstr.IntOrString) {
			if ports[port.StrVal] == 0 {
				t.Errorf("%s: no port %q in %v", of, port.String(), ports)
			}
		}
		for path, probe := range map[string]*corev1.Probe{"/livez": container.LivenessProbe, "/readyz": container.ReadinessProbe} {
			named(path, probe.HTTPGet.Port)
			if probe.HTTPGet.Path != path {
				t.Errorf("%s asks %s", path, probe.HTTPGet.Path)
			}
		}
		named("start", container.StartupProbe.HTTPGet.Port)
		var services []string
		for _, s := range only[*corev1.Service](all) {
			for _, p := range s.Spec.Ports {
				named(s.Name, p.TargetPort)
				services = append(services, s.Name+":"+p.Name)
			}
		}
		if len(services) != len(ports) {
			t.Errorf("services have %q, the pod %v", services, ports)
		}
		for _, n := range only[*networkingv1.NetworkPolicy](all) {
			var let []string
			for _, rule := range n.Spec.Ingress {
				for _, p := range rule.Ports {
					named(n.Name, *p.Port)
					let = append(let, p.Port.StrVal)
				}
				if admin := rule.Ports[0].Port.StrVal == "admin"; admin && len(rule.From) == 0 {
					t.Error("any pod may call the administration")
				}
			}
			if want := slices.Collect(maps.Keys(ports)); len(let) != len(want) {
				t.Errorf("the policy lets in %q of %q", let, want)
			}
		}
		for _, i := range only[*networkingv1.Ingress](all) {
			for _, rule := range i.Spec.Rules {
				b := rule.HTTP.Paths[0].Backend.Service
				if !slices.Contains(services, b.Name+":"+b.Port.Name) {
					t.Errorf("the ingress leads to %s:%s, there are %q", b.Name, b.Port.Name, services)
				}
			}
		}
	})
}

func variable(t *testing.T, c corev1.Container, name string) corev1.EnvVar {
	t.Helper()
	for _, v := range c.Env {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no %s in %+v", name, c.Env)
	return corev1.EnvVar{}
}

// The chart makes what its pods refer to, or the values name it. What the migration refers
// to exists before an install, so the chart doesn't make it.
func TestReferences(t *testing.T) {
	t.Parallel()
	given := map[string][]string{
		"required": {"Secret database"}, "everything": {"Secret database"}, "least": {"Secret database", "ServiceAccount default"},
		"existing": {"ConfigMap our-seeds", "Secret mock-tls", "Secret our-admin", "Secret pg-app", "ServiceAccount our-account"},
	}
	each(t, func(t *testing.T, all objects) {
		made := map[string]bool{"ServiceAccount ": true}
		for _, o := range only[*corev1.Secret](all) {
			made["Secret "+o.Name] = true
		}
		for _, o := range only[*corev1.ConfigMap](all) {
			made["ConfigMap "+o.Name] = true
		}
		for _, o := range only[*corev1.ServiceAccount](all) {
			made["ServiceAccount "+o.Name] = true
		}
		outside := map[string]bool{}
		for _, p := range pods(all) {
			for _, r := range references(p.template.Spec) {
				if !made[r] {
					outside[r] = true
				} else if strings.HasPrefix(p.of, "*v1.Job") && r != "ServiceAccount " {
					t.Errorf("the migration needs %s, which the chart makes later", r)
				}
			}
		}
		if got, want := slices.Sorted(maps.Keys(outside)), given[filepath.Base(t.Name())]; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func references(spec corev1.PodSpec) []string {
	all := []string{"ServiceAccount " + spec.ServiceAccountName}
	for _, v := range spec.Volumes {
		if v.Secret != nil {
			all = append(all, "Secret "+v.Secret.SecretName)
		}
		if v.ConfigMap != nil {
			all = append(all, "ConfigMap "+v.ConfigMap.Name)
		}
	}
	for _, e := range spec.Containers[0].Env {
		if e.ValueFrom != nil {
			all = append(all, "Secret "+e.ValueFrom.SecretKeyRef.Name)
		}
	}
	return all
}

// A pod has as much time as the program needs.
func TestTimes(t *testing.T) {
	t.Parallel()
	drain := constant(t, "cmd/mocktenant/serve.go", "drainTimeout")
	migrate := constant(t, "internal/db/migrate.go", "migrateRetry") * time.Duration(number(t, "internal/db/migrate.go", "migrateTries"))
	each(t, func(t *testing.T, all objects) {
		d := one[*appsv1.Deployment](t, all).Spec
		spec := d.Template.Spec
		c := spec.Containers[0]
		delay, err := time.ParseDuration(variable(t, c, "MOCKTENANT_SHUTDOWN_DELAY").Value)
		if err != nil {
			t.Fatal(err)
		}
		if grace := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second; grace < delay+drain+5*time.Second {
			t.Errorf("killed after %s; it delays %s and drains %s", grace, delay, drain)
		}
		// Long enough for load balancers to notice that it is unready.
		if delay < 5*time.Second {
			t.Errorf("it stops %s after the signal", delay)
		}
		wait, err := time.ParseDuration(variable(t, c, "MOCKTENANT_DATABASE_WAIT").Value)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Duration(c.StartupProbe.PeriodSeconds*c.StartupProbe.FailureThreshold) * time.Second
		if start < wait+migrate {
			t.Errorf("given up after %s; it waits %s for the database and %s for another migration", start, wait, migrate)
		}
		if r := d.Strategy.RollingUpdate; r.MaxUnavailable.IntValue() != 0 || r.MaxSurge.IntValue() != 1 {
			t.Errorf("a roll-out takes pods away: %+v", r)
		}
	})
}

func constant(t *testing.T, file, name string) time.Duration {
	t.Helper()
	units := map[string]time.Duration{"Second": time.Second, "Millisecond": time.Millisecond}
	m := regexp.MustCompile(`(?m)^\s*(?:const )?` + name + `\s*= (\d+) \* time\.(\w+)`).FindStringSubmatch(source(t, file))
	if m == nil || units[m[2]] == 0 {
		t.Fatalf("%s has no %s: %q", file, name, m)
	}
	n, _ := strconv.Atoi(m[1])
	return time.Duration(n) * units[m[2]]
}

func number(t *testing.T, file, name string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^\s*` + name + `\s*= (\d+)$`).FindStringSubmatch(source(t, file))
	if m == nil {
		t.Fatalf("%s has no %s", file, name)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func source(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A disruption budget keeps one pod serving, and never blocks draining a node forever.
func TestBudget(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, all objects) {
		replicas := int(*one[*appsv1.Deployment](t, all).Spec.Replicas)
		budgets := only[*policyv1.PodDisruptionBudget](all)
		if (len(budgets) == 1) != (replicas > 1) {
			t.Errorf("%d replicas, %d budgets", replicas, len(budgets))
		}
		for _, b := range budgets {
			if n := b.Spec.MaxUnavailable.IntValue(); n < 1 || n >= replicas {
				t.Errorf("%d of %d may go", n, replicas)
			}
		}
	})
}

// The program knows every setting and every command that the chart uses.
func TestProgramKnows(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "mocktenant")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/mocktenant")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	help := func(t *testing.T, args []string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), binary, append(args, "--help")...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Usage: mocktenant "+args[0]) {
			t.Errorf("mocktenant %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	t.Run("", func(t *testing.T) { // keeps the binary until all have finished
		each(t, func(t *testing.T, all objects) {
			for _, p := range pods(all) {
				c := p.template.Spec.Containers[0]
				known := help(t, c.Args)
				for _, e := range c.Env {
					if !strings.Contains(known, "($"+e.Name+")") && !strings.HasPrefix(e.Name, "OTEL_") {
						t.Errorf("%s: mocktenant %s knows no %s", p.of, c.Args[0], e.Name)
					}
				}
			}
		})
	})
}

// The migration runs before everything else, and the test only on demand.
func TestHooks(t *testing.T) {
	t.Parallel()
	all := render(t, "required")
	if got := one[*batchv1.Job](t, all).Annotations["helm.sh/hook"]; got != "pre-install,pre-upgrade" {
		t.Errorf("migration: %q", got)
	}
	if got := one[*corev1.Pod](t, all).Annotations["helm.sh/hook"]; got != "test" {
		t.Errorf("test: %q", got)
	}
}

// Links follow the ingress, if there is one.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ set, want string }{
		{"ingress.enabled=true,ingress.hosts={a.example,b.example}", "http://a.example"},
		{"ingress.enabled=true,ingress.hosts={a.example},ingress.tls[0].secretName=x,ingress.tls[0].hosts={a.example}", "https://a.example"},
		{"ingress.enabled=true,ingress.hosts={a.example},publicURL=https://c.example", "https://c.example"},
		{"ingress.hosts={a.example}", ""},
	} {
		out, log, err := helm(t, "template", "mock", chartDir, values(t, "required"), "--set="+tt.set, "--show-only=templates/deployment.yaml")
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		got := ""
		for _, e := range read(t, out).(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Env {
			if e.Name == "MOCKTENANT_PUBLIC_URL" {
				got = e.Value
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.set, got, tt.want)
		}
	}
}

// Contradictory values are refused with a message that names a valid alternative.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ set, want string }{
		{"database.existingSecret=", "database.existingSecret is not set: it names the Secret with the URL of your Postgres"},
		{"database.existingSecret=,migration.enabled=false", "kubectl create secret generic mocktenant-database"},
		{"database.existingsecret=x", "'existingsecret' not allowed"},
		{"replica=3", "'replica' not allowed"},
		{"replicas=two", "/replicas"},
		{"admin.key=short", "/admin/key"},
		{"log.level=loud", "/log/level"},
		{"image.digest=sha256:abc", "/image/digest"},
		{"publicURL=mock.example", "/publicURL"},
		{"runAsUser=0", "/runAsUser"},
		{"ingress.enabled=true", "/ingress/hosts"},
		{"seeds.documents.contoso=x", "'contoso' does not match"},
		{"serviceMonitor.enabled=true,admin.enabled=false", "the administration serves the metrics"},
		{"shutdownDelaySeconds=0", "/shutdownDelaySeconds"},
	} {
		out, log, err := helm(t, "template", "mock", chartDir, values(t, "required"), "--set="+tt.set)
		if err == nil || !strings.Contains(log, tt.want) {
			t.Errorf("%s: %v, want %q\n%s%.200s", tt.set, err, tt.want, log, out)
		}
	}
	if _, log, err := helm(t, "template", "mock", chartDir, values(t, "required"), "--kube-version=1.26.0"); err == nil || !strings.Contains(log, "1.27.0") {
		t.Errorf("Kubernetes 1.26: %v\n%s", err, log)
	}
	if _, log, err := helm(t, "template", "mock", chartDir, values(t, "everything"), "--kube-version=1.27.0"); err != nil {
		t.Errorf("Kubernetes 1.27: %v\n%s", err, log)
	}
}

// The schema allows exactly the existing settings.
func TestSchema(t *testing.T) {
	t.Parallel()
	var settings map[string]any
	if err := yaml.UnmarshalStrict([]byte(source(t, chartDir+"/values.yaml")), &settings); err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal([]byte(source(t, chartDir+"/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	delete(schema["properties"].(map[string]any), "global") // Helm's own
	compareKeys(t, "", settings, schema)
}

func compareKeys(t *testing.T, path string, settings, schema map[string]any) {
	t.Helper()
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return // a map with the user's own keys
	}
	if schema["additionalProperties"] != false {
		t.Errorf("%s: the schema accepts anything", path)
	}
	if got, want := slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(settings)); path != "/resources" && !slices.Equal(got, want) {
		t.Errorf("%s: the schema has %q, the values %q", path, got, want)
	}
	for name, property := range properties {
		if s, ok := settings[name].(map[string]any); ok {
			compareKeys(t, path+"/"+name, s, property.(map[string]any))
		}
	}
}

// The values shown in the documentation are valid.
func TestDocumentedValues(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(source(t, "docs/kubernetes.md"), -1)
	if len(blocks) == 0 {
		t.Fatal("the documentation shows no values")
	}
	for _, block := range blocks {
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(block[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, log, err := helm(t, "template", "mock", chartDir, values(t, "required"), "--values="+file); err != nil {
			t.Errorf("%v\n%s\n%s", err, log, block[1])
		}
	}
}
