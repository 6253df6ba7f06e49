package image

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const (
	// DockerHub is the name of the default registry, and DockerHubHost the
	// host of its API.
	DockerHub     = "docker.io"
	DockerHubHost = "index.docker.io"
	// officialPrefix is the namespace on Docker Hub of images without one.
	officialPrefix = "library/"
	// maxName is the longest name that the OCI distribution spec allows.
	maxName = 255
	// maxReference bounds what is looked at in detail.
	maxReference = 4096
)

var (
	componentForm = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)
	tagForm       = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	hostLabelForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	ipv6Form      = regexp.MustCompile(`^\[[0-9a-f:.]+\]$`)
	portForm      = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)
	imageIDForm   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// otherSources are the words with which other tools choose a source.
var otherSources = map[string]bool{
	"docker-daemon": true, "docker-archive": true, "oci-archive": true, "oci-layout": true,
	"containerd": true, "containers-storage": true, "daemon": true, "dir": true, "remote": true,
	"ostree": true, "sif": true, "archive": true, "tarball": true,
}

// ParseReference parses a reference to an image: a name in a registry, oci:DIR
// or tar:FILE. It refuses ambiguous and malformed references with a cure,
// because a policy judges the parts.
func ParseReference(s string) (evidence.Reference, error) {
	ref, err := parseReference(s)
	if err != nil {
		return evidence.Reference{}, fmt.Errorf("image reference %s: %w", words.Quote(s), err)
	}
	ref.Asked = s
	return ref, nil
}

func parseReference(s string) (evidence.Reference, error) {
	if err := checkCharacters(s); err != nil {
		return evidence.Reference{}, err
	}
	switch source, rest := evidence.SourceOf(s); {
	case source.Engine():
		return parseEngine(source, rest)
	case source.Local():
		return parseLocal(source, rest)
	}
	if err := checkScheme(s); err != nil {
		return evidence.Reference{}, err
	}
	return parseRemote(s)
}

func checkCharacters(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("it is empty")
	case len(s) > maxReference:
		return fmt.Errorf("it is longer than %d bytes", maxReference)
	case !utf8.ValidString(s):
		return fmt.Errorf("it is not valid UTF-8")
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("it begins or ends with white space (remove it)")
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("it holds the invisible character %U (remove it)", r)
		}
	}
	return nil
}

// checkScheme refuses references to sources that imagegate does not have.
func checkScheme(s string) error {
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if scheme == "http" {
			return fmt.Errorf("a reference has no http:// prefix (write %s, and --plain-http HOST if the registry has no TLS)", words.Quote(rest))
		}
		return fmt.Errorf("a reference has no %s prefix (write %s)", words.Quote(scheme+"://"), words.Quote(rest))
	}
	word, rest, ok := strings.Cut(s, ":")
	if ok && otherSources[word] {
		return fmt.Errorf("%q is not a source of images here; the sources are %s "+
			"(for a local image, save it to a file and check tar:FILE; for the image named %s in a registry write %s)",
			word+":", forms(), word, words.Quote(DockerHub+"/"+officialPrefix+word+":"+rest))
	}
	return nil
}

// forms lists how references to the sources are written.
func forms() string {
	var list []string
	for _, s := range evidence.Sources() {
		list = append(list, s.Syntax())
	}
	return strings.Join(list, ", ")
}

// parseRemote parses [host/]path[:tag][@digest].
func parseRemote(s string) (evidence.Reference, error) {
	ref := evidence.Reference{Source: evidence.SourceRegistry}
	name, digest, pinned := strings.Cut(s, "@")
	if pinned {
		if err := CheckDigest(digest); err != nil {
			return ref, err
		}
		ref.Digest = digest
	}
	// A colon before the last slash belongs to a port.
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		ref.Tag = name[i+1:]
		name = name[:i]
		if err := CheckTag(ref.Tag); err != nil {
			return ref, err
		}
	}
	host, path := splitHost(name)
	if err := checkPath(path); err != nil {
		return ref, err
	}
	if host == "" && imageIDForm.MatchString(path) {
		return ref, fmt.Errorf("it looks like an image ID, which no registry knows (write NAME@sha256:DIGEST)")
	}
	host, err := NormalHost(host)
	if err != nil {
		return ref, err
	}
	if host == DockerHub && !strings.Contains(path, "/") {
		path = officialPrefix + path
	}
	ref.Registry, ref.Repository, ref.Name = host, path, host+"/"+path
	if len(ref.Name) > maxName {
		return ref, fmt.Errorf("its name is longer than %d characters", maxName)
	}
	return ref, nil
}

// splitHost separates the registry from the path as Docker does: the first
// component is a host if it has a dot or a port, or is localhost. Docker also
// takes a component in upper case for a host. Here that is an error: the user of
// "Shop/app" hardly means a machine called Shop.
func splitHost(name string) (host, path string) {
	first, rest, ok := strings.Cut(name, "/")
	if ok && (first == "localhost" || strings.ContainsAny(first, ".:[")) {
		return first, rest
	}
	return "", name
}

// NormalHost checks the registry's host[:port] and returns the one spelling
// that policies match.
func NormalHost(s string) (string, error) {
	if s == "" {
		return DockerHub, nil
	}
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if !portForm.MatchString(port) || len(port) == 5 && port > "65535" {
			return "", fmt.Errorf("the registry's port %s is not a number from 1 to 65535", words.Quote(port))
		}
		port = ":" + port
	}
	host = strings.ToLower(host) // host names know no case
	if ipv6Form.MatchString(host) {
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil {
			return "", fmt.Errorf("%s is not an IPv6 address", words.Quote(host))
		}
	} else {
		for label := range strings.SplitSeq(host, ".") {
			if len(label) > 63 || !hostLabelForm.MatchString(label) {
				return "", fmt.Errorf("%s is not a host name", words.Quote(s))
			}
		}
	}
	if host == DockerHubHost && port == "" {
		return DockerHub, nil
	}
	return host + port, nil
}

func checkPath(path string) error {
	if path == "" {
		return fmt.Errorf("the repository is missing (write REGISTRY/REPOSITORY:TAG)")
	}
	for component := range strings.SplitSeq(path, "/") {
		switch {
		case componentForm.MatchString(component):
		case component == "":
			return fmt.Errorf("the repository has an empty component: two slashes in a row, or one at an end (remove it)")
		case componentForm.MatchString(strings.ToLower(component)):
			return fmt.Errorf("the repository has upper case letters, which no registry accepts (write %s)", words.Quote(strings.ToLower(path)))
		default:
			return fmt.Errorf("%s is not part of a repository name (use a-z and 0-9, separated by '.', '_', '__' or '-')", words.Quote(component))
		}
	}
	return nil
}

// CheckTag refuses everything but a tag.
func CheckTag(tag string) error {
	if tag == "" {
		return fmt.Errorf("the tag is empty (write a tag after the colon, or no colon)")
	}
	if !tagForm.MatchString(tag) {
		return fmt.Errorf("%s is not a tag (use up to 128 of A-Z, a-z, 0-9, '_', '.' and '-', not beginning with '.' or '-')", words.Quote(tag))
	}
	return nil
}

// parseLocal parses DIR[:TAG|@DIGEST] and FILE[:TAG|@DIGEST].
func parseLocal(source evidence.Source, s string) (evidence.Reference, error) {
	ref := evidence.Reference{Source: source}
	path := s
	if i := strings.LastIndexByte(path, '@'); i > strings.LastIndexAny(path, `/\`) {
		ref.Digest = path[i+1:]
		path = path[:i]
		if err := CheckDigest(ref.Digest); err != nil {
			return ref, fmt.Errorf("%w (a path with '@' in its last part must be renamed)", err)
		}
	}
	if i := strings.LastIndexByte(path, ':'); i > strings.LastIndexAny(path, `/\`) {
		ref.Tag = path[i+1:]
		path = path[:i]
		if err := CheckTag(ref.Tag); err != nil {
			return ref, fmt.Errorf("%w (a path with ':' in its last part must be renamed)", err)
		}
	}
	if path == "" {
		return ref, fmt.Errorf("the path is missing (write %sPATH)", source.Prefix())
	}
	ref.Name = source.Prefix() + path
	return ref, nil
}

// StandardInput is the name of a reference to an archive on standard input.
const StandardInput = "tar:-"

var (
	shortIDForm = regexp.MustCompile(`^[0-9a-f]{12,64}$`)
	officialHub = DockerHub + "/" + officialPrefix
)

// parseEngine parses NAME[:TAG] or the ID of an image. The name gets the
// spelling that engines show: it is short for images of Docker Hub. Policies match
// it with the source's prefix, never as a name in a registry, since every user of
// the engine can give an image any name.
func parseEngine(source evidence.Source, s string) (evidence.Reference, error) {
	ref := evidence.Reference{Source: source}
	if rest, ok := strings.CutPrefix(s, "//"); ok {
		return ref, fmt.Errorf("a reference has no %s prefix (write %s for a registry, and %s for the engine)",
			words.Quote(source.Prefix()+"//"), words.Quote(rest), words.Quote(source.Prefix()+rest))
	}
	if id := strings.TrimPrefix(s, "sha256:"); shortIDForm.MatchString(id) {
		ref.Name = source.Prefix() + s
		return ref, nil
	}
	if strings.HasPrefix(s, "sha256:") {
		return ref, fmt.Errorf("%s is not an image ID (write sha256: and 64 hex digits, or its first 12 or more without sha256:)", words.Quote(s))
	}
	if strings.Contains(s, "@") {
		return ref, fmt.Errorf("an engine has image IDs, not digests of a registry (write %sNAME:TAG, %sID, or the reference without %s for the image in its registry)",
			source.Prefix(), source.Prefix(), source.Prefix())
	}
	parsed, err := parseRemote(s)
	if err != nil {
		return ref, err
	}
	name := parsed.Name
	if short, ok := strings.CutPrefix(name, officialHub); ok {
		name = short
	} else {
		name = strings.TrimPrefix(name, DockerHub+"/")
	}
	ref.Name, ref.Tag = source.Prefix()+name, parsed.Tag
	return ref, nil
}

// Path is what follows the prefix in the name of a reference to a local source.
func Path(ref evidence.Reference) string {
	_, path := evidence.SourceOf(ref.Name)
	return path
}

// APIHost is the host of the API of a reference's registry.
func APIHost(registry string) string {
	if registry == DockerHub {
		return DockerHubHost
	}
	return registry
}

// TagOf is the tag to ask for when there is no digest.
func TagOf(ref evidence.Reference) string {
	if ref.Tag == "" {
		return "latest"
	}
	return ref.Tag
}

// ParseRegistryReference is [ParseReference] for names in a registry only.
func ParseRegistryReference(s string) (evidence.Reference, error) {
	ref, err := ParseReference(s)
	if err == nil && ref.Source != evidence.SourceRegistry {
		err = fmt.Errorf("image reference %s: only a name in a registry will do here", words.Quote(s))
	}
	return ref, err
}
