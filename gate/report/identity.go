package report

import (
	"crypto/sha1" //nolint:gosec // UUID version 5 is defined with SHA-1
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/imagegate/imagegate/gate/report/safe"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// identity gives results of one report names that stay the same from run to
// run, so that CI systems recognise an alert when the image is built anew.
type identity struct{ seen map[string]int }

// fingerprint hashes the parts. The version of a package is never one of them:
// an upgrade that does not help must not open a new alert. When several results
// share all parts, their order distinguishes them, as ":1", ":2".
func (id *identity) fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(joined(parts)))
	hash := hex.EncodeToString(sum[:])
	return hash + ":" + strconv.Itoa(id.ordinal(hash))
}

// uuid is fingerprint in the form of a UUID version 5.
func (id *identity) uuid(parts ...string) string {
	name := joined(parts)
	name += "\x00" + strconv.Itoa(id.ordinal(name))
	// The namespace is the UUID version 5 of this module's path in the URL
	// namespace of RFC 9562; only its being constant matters.
	sum := sha1.Sum([]byte("github.com/imagegate/imagegate\x00" + name)) //nolint:gosec // see above
	u := sum[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

func (id *identity) ordinal(key string) int {
	if id.seen == nil {
		id.seen = map[string]int{}
	}
	id.seen[key]++
	return id.seen[key]
}

// joined makes one string of the parts so that no two lists give the same.
func joined(parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Itoa(len(p)) + ":" + p)
	}
	return b.String()
}

// findingParts are the parts of a finding's fingerprint.
func findingParts(img image, f *policy.Judged) []string {
	return []string{img.name, img.platform, f.ID, f.Package.Type, f.Package.Name, f.Package.Path}
}

// imagePath returns a path for a place inside an image, because no file of the
// repository corresponds to it: the image's repository without registry, tag and
// digest, then the path in the image. A consumer would read a registry's port as
// a scheme, and a tag would make every build a new alert.
func imagePath(img image, inside string) string {
	name := img.name
	if source, rest := evidence.SourceOf(name); source.Local() {
		name = path.Base(strings.ReplaceAll(rest, `\`, "/"))
	} else if host, rest, ok := strings.Cut(name, "/"); ok && strings.ContainsAny(host, ".:") {
		name = rest
	}
	return cleanPath("image/" + name + "/" + inside)
}

// cleanPath makes a relative URI path of s: no "..", no empty segment, every
// byte that is not plain percent-encoded.
func cleanPath(s string) string {
	var segments []string
	for _, seg := range strings.Split(path.Clean("/"+safe.Escape(s)), "/") {
		if seg != "" {
			segments = append(segments, strings.ReplaceAll(url.PathEscape(seg), ":", "%3A"))
		}
	}
	return strings.Join(segments, "/")
}

// clip cuts s to at most n runes, the last of which then is an ellipsis.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:max(n-1, 0)]) + "…"
}

// webLink returns s if it is an absolute web address of plain characters, which is
// safe as a link, and otherwise "".
func webLink(s string) string {
	if len(s) > 2000 {
		return ""
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case '<', '>', '"', '`', '\\', '^', '{', '|', '}':
			return ""
		default:
			if c <= ' ' || c >= 0x7f {
				return ""
			}
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	return u.String()
}
