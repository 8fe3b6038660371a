package release_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// onDebian installs the package, checks its unit, runs the service as the unit does, as no
// systemd runs in a container, upgrades, removes and purges.
const onDebian = `
dpkg -i /package.deb
dpkg-query -W -f '${Conffiles}\n' mocktenant | grep -q ' /etc/default/mocktenant '
test "$(stat -c '%U %a' /var/lib/mocktenant)" = 'mocktenant 750'
unit=/usr/lib/systemd/system/mocktenant.service
systemd-analyze verify "$unit"
value() { sed -n "s/^$1=//p" "$unit"; }

start() {
	runuser -u "$(value User)" -- bash -c "set -a; $(value Environment); . $(value EnvironmentFile | tr -d -); exec $(value ExecStart)" >/tmp/log 2>&1 &
	/usr/bin/mocktenant healthcheck --wait 120s
}
stop() { pkill -TERM -x mocktenant; wait; }

start
curl -sSf -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/v1.0/deviceManagement/remoteAssistancePartners \
	-H "Authorization: Bearer $(mocktenant token)" -H 'Content-Type: application/json' -d '{"displayName": "packaged"}'
stop
echo MOCKTENANT_PAGE_SIZE_OF_NOBODY=1 >>/etc/default/mocktenant
dpkg -i /package.deb
grep -q NOBODY /etc/default/mocktenant # the administrator's changes stay
sed -i /NOBODY/d /etc/default/mocktenant
start
curl -sSf http://127.0.0.1:8080/v1.0/deviceManagement/remoteAssistancePartners -H "Authorization: Bearer $(mocktenant token)" | grep -o packaged
stop
dpkg --remove mocktenant
test -d /var/lib/mocktenant && test -e /etc/default/mocktenant
dpkg --purge mocktenant
test ! -e /var/lib/mocktenant && test ! -e /etc/default/mocktenant
getent passwd mocktenant && exit 1
echo purged
`

// installs checks the package for Debian on a machine of it.
func installs(t *testing.T, file string) {
	t.Helper()
	if got := run(t, ".", nil, "dpkg-deb", "--field", file, "Package", "Version"); got != "Package: mocktenant\nVersion: "+version {
		t.Errorf("%s says %q", file, got)
	}
	list := run(t, ".", nil, "dpkg-deb", "--contents", file)
	for _, want := range []string{
		"./usr/bin/mocktenant", "./usr/share/doc/mocktenant/copyright", "./usr/share/bash-completion/completions/mocktenant",
		"./usr/share/zsh/vendor-completions/_mocktenant", "./usr/share/fish/vendor_completions.d/mocktenant.fish",
	} {
		if !strings.Contains(list+"\n", want+"\n") {
			t.Errorf("%s has no %s:\n%s", file, want, list)
		}
	}
	machine := run(t, root, nil, "test/images/machine", "adduser", "postgresql", "curl", "systemd", "procps")
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, ".", nil, "docker", "run", "--rm", "-v", path+":/package.deb:ro", machine, "bash", "-exc", onDebian)
	for _, want := range []string{"201\n", "packaged\n", "purged"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
