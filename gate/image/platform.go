package image

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/words"
)

// Platform is the platform of a descriptor or of a config.
type Platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version"`
	OSFeatures   []string `json:"os.features"`
	Variant      string   `json:"variant"`
}

// String is os/architecture[/variant][:os.version], as go-containerregistry
// writes it. Only Windows has versions.
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	if p.OSVersion != "" {
		s += ":" + p.OSVersion
	}
	return s
}

// normal is p in the one spelling that runtimes compare: they take arm64 and
// arm64/v8 for the same, and arm for arm/v7 (containerd, platforms/database.go).
func (p Platform) normal() Platform {
	p.OS, p.Architecture, p.Variant = strings.ToLower(p.OS), strings.ToLower(p.Architecture), strings.ToLower(p.Variant)
	switch p.OS {
	case "macos":
		p.OS = "darwin"
	}
	switch p.Architecture {
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "aarch64":
		p.Architecture = "arm64"
	case "i386":
		p.Architecture = "386"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	}
	switch {
	case p.Architecture == "amd64" && p.Variant == "v1", p.Architecture == "arm64" && (p.Variant == "v8" || p.Variant == "8"):
		p.Variant = ""
	case p.Architecture == "arm" && p.Variant == "":
		p.Variant = "v7"
	case p.Architecture == "arm" && slices.Contains([]string{"5", "6", "7", "8"}, p.Variant):
		p.Variant = "v" + p.Variant
	}
	return p
}

// key is equal for platforms between which a runtime cannot choose.
func (p Platform) key() string {
	p = p.normal()
	features := slices.Sorted(slices.Values(p.OSFeatures))
	return p.String() + "+" + strings.Join(features, "+")
}

// runnable reports whether p names a machine. Attestations are unknown/unknown.
func (p Platform) runnable() bool {
	return p.OS != "" && p.Architecture != "" && !strings.EqualFold(p.OS, "unknown") && !strings.EqualFold(p.Architecture, "unknown")
}

// unknown reports whether p is what BuildKit writes for attestations. Only
// this is passed over: containerd completes an empty OS or architecture by the
// host's own (platforms.Normalize), so that an incomplete platform can run.
func (p Platform) unknown() bool {
	return p.OS == "unknown" && p.Architecture == "unknown" && p.Variant == ""
}

var platformPart = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// check refuses a platform that could not be printed or compared.
func (p Platform) check() error {
	for _, part := range []string{p.OS, p.Architecture} {
		if !platformPart.MatchString(part) {
			return fmt.Errorf("%s is not a platform", words.Quote(p.String()))
		}
	}
	for _, part := range []string{p.Variant, p.OSVersion} {
		if part != "" && !platformPart.MatchString(part) {
			return fmt.Errorf("%s is not a platform", words.Quote(p.String()))
		}
	}
	return nil
}

// matches reports whether p is what was asked for. A question without an OS
// version is answered by every version.
func (p Platform) matches(asked Platform) bool {
	p, asked = p.normal(), asked.normal()
	return p.OS == asked.OS && p.Architecture == asked.Architecture && p.Variant == asked.Variant &&
		(asked.OSVersion == "" || asked.OSVersion == p.OSVersion)
}

// contradicts reports whether a config's platform differs from the one that
// the index gives it. Many builders leave out the variant and
// the OS version in the config: what is not said contradicts nothing.
func (p Platform) contradicts(config Platform) bool {
	a, b := p.normal(), config.normal()
	if a.OS != b.OS || a.Architecture != b.Architecture {
		return true
	}
	if config.Variant != "" && a.Variant != b.Variant {
		return true
	}
	return p.OSVersion != "" && config.OSVersion != "" && p.OSVersion != config.OSVersion
}

// parsePlatforms reads what a user asked for.
func parsePlatforms(list []string) ([]Platform, error) {
	var out []Platform
	for _, s := range list {
		name, version, _ := strings.Cut(s, ":")
		parts := strings.Split(name, "/")
		if len(parts) < 2 || len(parts) > 3 {
			return nil, fmt.Errorf("%s is not a platform (write os/architecture or os/architecture/variant, for example linux/amd64)", words.Quote(s))
		}
		p := Platform{OS: parts[0], Architecture: parts[1], OSVersion: version}
		if len(parts) == 3 {
			p.Variant = parts[2]
		}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("%w (write os/architecture or os/architecture/variant, for example linux/amd64)", err)
		}
		if !p.runnable() {
			return nil, fmt.Errorf("%s is not a platform that an image can run on", words.Quote(s))
		}
		out = append(out, p)
	}
	return out, nil
}

// asked reports whether p was asked for; without a question everything is.
func asked(p Platform, want []Platform) bool {
	return len(want) == 0 || slices.ContainsFunc(want, p.matches)
}

// missing lists what was asked for and is not there.
func missing(want, have []Platform) []string {
	var out []string
	for _, w := range want {
		if !slices.ContainsFunc(have, func(p Platform) bool { return p.matches(w) }) {
			out = append(out, w.String())
		}
	}
	return out
}

// platformNames is platforms for people and evidence: sorted, each once.
func platformNames(list []Platform) []string {
	names := []string{}
	for _, p := range list {
		names = append(names, p.String())
	}
	slices.Sort(names)
	return slices.Compact(names)
}
