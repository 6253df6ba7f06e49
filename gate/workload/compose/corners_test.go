package compose

import (
	"slices"
	"strings"
	"testing"

	"github.com/imagegate/imagegate/policy/evidence"
)

// The network of the host has several spellings.
func TestHostNetwork(t *testing.T) {
	const service = "services: {web: {image: a, networks: [n]}}\n"
	for name, tt := range map[string]struct {
		text string
		want bool
	}{
		"network_mode":        {"services: {web: {image: a, network_mode: host}}\n", true},
		"by its driver":       {service + "networks: {n: {driver: host}}\n", true},
		"an external name":    {service + "networks: {n: {external: true, name: host}}\n", true},
		"an external key":     {"services: {web: {image: a, networks: [host]}}\nnetworks: {host: {external: true}}\n", true},
		"a name of one's own": {"services: {web: {image: a, networks: [host]}}\nnetworks: {host: {}}\n", false},
		"another driver":      {service + "networks: {n: {driver: overlay}}\n", false},
	} {
		if got := one(t, tt.text).HostNetwork; got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// A command of a hook has the rights of its service, and those that it adds.
func TestRightsOfHooks(t *testing.T) {
	for name, tt := range map[string]struct {
		service, hook string
		privileged    []bool
	}{
		"nothing of its own":         {"", "command: a", []bool{false}},
		"privileged":                 {"", "command: a, privileged: true", []bool{false, true}},
		"a user":                     {"", "command: a, user: root", []bool{false, false}},
		"a user in a privileged one": {", privileged: true", "command: a, user: root", []bool{true, true}},
	} {
		w := one(t, "services: {web: {image: a, user: \"5\""+tt.service+", post_start: [{"+tt.hook+"}]}}\n")
		var got []bool
		for _, c := range w.Containers {
			got = append(got, c.Privileged)
		}
		if !slices.Equal(got, tt.privileged) {
			t.Errorf("%s: %v, want %v", name, got, tt.privileged)
		}
	}
}

// A path that climbs to a socket is one of the host, from wherever it climbs.
func TestPathsThatClimb(t *testing.T) {
	for path, want := range map[string]string{
		"../docker.sock": "/docker.sock", "../../run/docker.sock": "/run/docker.sock", "../../../var": "/var",
	} {
		w := one(t, "services: {web: {image: a, volumes: [\""+path+":/x\"]}}\n")
		if i := slices.IndexFunc(w.Volumes, func(v evidence.Volume) bool { return v.HostPath == want }); i < 0 {
			t.Errorf("%s: %+v, want %s", path, w.Volumes, want)
		}
	}
	w := one(t, "services: {web: {image: a, volumes: [\"../data:/x\"]}}\n")
	if got := w.Volumes[0].HostPath; got == "/data" || !strings.HasSuffix(got, "/data") {
		t.Errorf("a directory beside that of the project is %s", got)
	}
}

// The user of a hook is its own, by number and by name, and a container before the start
// has a name of its own.
func TestUsersOfHooks(t *testing.T) {
	w := one(t, "services: {web: {image: a, user: app, post_start: [{command: a, user: toor}, {command: a, user: \"5\"}], pre_start: [{image: b, command: a}]}}\n")
	var got []string
	for _, c := range w.Containers {
		got = append(got, c.Name+" "+c.User)
	}
	slices.Sort(got)
	if want := []string{"web app", "web.post_start[0] toor", "web.post_start[1] 5", "web.pre_start[0] app"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A volume without a driver is one of the local driver, and can be a bind mount.
func TestVolumeWithoutADriver(t *testing.T) {
	for _, driver := range []string{"", "driver: local, "} {
		w := one(t, "services: {web: {image: a, volumes: [\"data:/x\"]}}\nvolumes: {data: {"+driver+"driver_opts: {type: none, o: bind, device: ../../../run}}}\n")
		if got := w.Volumes[0].HostPath; got != "/run" {
			t.Errorf("%q: %s in %+v", driver, got, w.Volumes)
		}
	}
}
