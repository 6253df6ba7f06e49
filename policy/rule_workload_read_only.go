package policy

import (
	"path"
	"slices"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const ruleReadOnlyRoot = "workload.read-only-root"

var readOnlyRootKey = switchKey(ruleReadOnlyRoot, "Whether the root file system of every container must be read-only.").ofPolicy()

func readOnlyRootRule() *Rule {
	return &Rule{
		ID: ruleReadOnlyRoot, Title: "The root file system of every container is read-only.",
		Why: "An attacker who gets into a container cannot replace its programs or leave new ones there.",
		How: "securityContext: {readOnlyRootFilesystem: true}, and mount an emptyDir where the program writes",
		Settings: "true or false. A container without a writable mount at /tmp gets a warning: most programs write there. The volumes of the image that stay writable, " +
			"because the runtime mounts them, are named.",
		Default: "not asked", Example: "workload: {read-only-root: true}\n", Levels: true,
		keys: []key{readOnlyRootKey}, on: readOnlyRootKey.value, workload: checkReadOnlyRoot,
	}
}

func checkReadOnlyRoot(j *releaseJudge, w *evidence.Workload) answer {
	if isWindows(w) {
		return notApplying("Windows has no read-only root file system")
	}
	for i := range w.Containers {
		c := &w.Containers[i]
		if !c.ReadOnlyRoot {
			at := in(c, "securityContext.readOnlyRootFilesystem")
			j.fails(at, "can write to its root file system")
			continue
		}
		if c.Kind != evidence.ContainerInit && !writableAt(w, c, "/tmp") {
			at := spot{container: c.Name, at: c.At, cure: "mount an emptyDir at /tmp, or see that the program writes nothing"}
			if isService(w) {
				at.cure = "tmpfs: [/tmp], or see that the program writes nothing"
			}
			j.warns(at, "has no writable /tmp")
		}
		j.warnOfVolumes(w, c)
	}
	a := passing("%s, all of them with a read-only root file system", containersText(w))
	a.allowed = "read-only root file systems"
	return a
}

// writableAt reports whether a container can write to a path because of a mount
// there or above it.
func writableAt(w *evidence.Workload, c *evidence.Container, dir string) bool {
	best, writable := "", false
	for _, m := range c.Mounts {
		at := path.Clean("/" + m.Path)
		if (at == dir || at == "/" || len(dir) > len(at) && dir[:len(at)+1] == at+"/") && len(at) >= len(best) {
			best, writable = at, !m.ReadOnly && !readOnlyVolume(w, m.Volume)
		}
	}
	return writable
}

// readOnlyVolume reports volumes whose content cannot be written by the container.
func readOnlyVolume(w *evidence.Workload, name string) bool {
	i := slices.IndexFunc(w.Volumes, func(v evidence.Volume) bool { return v.Name == name })
	return i >= 0 && slices.Contains([]string{"configMap", "secret", "downwardAPI", "projected", "image"}, w.Volumes[i].Type)
}

// warnOfVolumes names the volumes of the image that no mount covers: the runtime
// gives each of them a writable directory.
func (j *releaseJudge) warnOfVolumes(w *evidence.Workload, c *evidence.Container) {
	for _, img := range j.images[c.Image.Ref] {
		if img.Config == nil {
			j.misses(spot{container: c.Name, at: c.Image.At}, "may have volumes that stay writable: %s", noConfig)
			return
		}
		var open []string
		for _, v := range img.Config.Volumes {
			if !slices.ContainsFunc(c.Mounts, func(m evidence.Mount) bool { return path.Clean("/"+m.Path) == path.Clean("/"+v) }) {
				open = append(open, v)
			}
		}
		if len(open) > 0 {
			at := spot{container: c.Name, at: c.Image.At, cure: "mount a volume there, read-only if the program writes nothing"}
			j.warns(at, "can still write to %s: a VOLUME of its image %s", words.And(few(open)), c.Image.Image)
			return
		}
	}
}
