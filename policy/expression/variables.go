package expression

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/cel"

	"github.com/imagegate/imagegate/policy/evidence"
)

// The types of structures.
var (
	imageType    = cel.ObjectType("Image")
	configType   = cel.ObjectType("Config")
	layerType    = cel.ObjectType("Layer")
	userType     = cel.ObjectType("User")
	osType       = cel.ObjectType("OS")
	packageType  = cel.ObjectType("Package")
	findingType  = cel.ObjectType("Finding")
	secretType   = cel.ObjectType("Secret")
	licenseType  = cel.ObjectType("License")
	filesType    = cel.ObjectType("Files")
	fileType     = cel.ObjectType("File")
	gapType      = cel.ObjectType("Gap")
	databaseType = cel.ObjectType("Database")

	textList = cel.ListType(cel.StringType)
)

// Facts are the values of the variables for one image at one moment. They belong to
// one goroutine.
type Facts struct {
	image *evidence.Image
	now   time.Time
	known map[string]any // nil for what is not there
	left  int            // steps that the evaluation may still take

	// SecretsAnywhere is true if secrets of every file are meant, and not only
	// those of the application. It is set before an expression asks.
	SecretsAnywhere bool
}

// NewFacts returns the facts about an image. Lists are made when an expression
// asks for them.
func NewFacts(image *evidence.Image, now time.Time) *Facts {
	return &Facts{image: image, now: now, known: map[string]any{}}
}

// ResolveName implements cel.Activation.
func (f *Facts) ResolveName(name string) (any, bool) {
	if v, ok := f.known[name]; ok {
		return v, v != nil
	}
	for _, v := range variables() {
		if v.name != name {
			continue
		}
		value, ok := v.of(f)
		if !ok {
			f.known[name] = nil
			return nil, false
		}
		left := f.left
		f.left = math.MaxInt // the first expression does not pay for those after it
		f.known[name] = f.value(value)
		f.left = left
		return f.known[name], true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (f *Facts) Parent() cel.Activation { return nil }

// found makes the value of a variable that is a list of the scan.
func found[T any](need evidence.Need, typ *cel.Type, list func(*evidence.Scan) []T) func(*Facts) (any, bool) {
	return func(f *Facts) (any, bool) {
		s := f.image.Scanned(need)
		if s == nil {
			return nil, false
		}
		return itemsOf(typ, list(s)), true
	}
}

// secrets makes the value of the variable of that name: the secrets that the rule
// about them counts.
func (f *Facts) secrets() (any, bool) {
	need := evidence.NeedSecrets
	if f.SecretsAnywhere {
		need |= evidence.NeedSecretsAnywhere
	}
	return found(need, secretType, func(s *evidence.Scan) []evidence.Secret {
		if f.SecretsAnywhere {
			return s.Secrets
		}
		return slices.DeleteFunc(slices.Clone(s.Secrets), func(s evidence.Secret) bool { return s.LeftOut })
	})(f)
}

// part makes the value of a variable that is a structure, nil when it is not there.
func part[T any](typ *cel.Type, get func(*Facts) *T) func(*Facts) (any, bool) {
	return func(f *Facts) (any, bool) {
		v := get(f)
		return item{typ, v}, v != nil
	}
}

// ofScan is [part] for a part of the scan.
func ofScan[T any](need evidence.Need, typ *cel.Type, get func(*evidence.Scan) *T) func(*Facts) (any, bool) {
	return part(typ, func(f *Facts) *T {
		if s := f.image.Scanned(need); s != nil {
			return get(s)
		}
		return nil
	})
}

// maybe makes the value of a variable that is there whenever packages were looked
// for, and whose fields are not known when the evidence has none. An expression can
// ask for that: has(os.family).
func maybe[T any](typ *cel.Type, get func(*evidence.Scan) *T) func(*Facts) (any, bool) {
	return func(f *Facts) (any, bool) {
		s := f.image.Scanned(evidence.NeedPackages)
		if s == nil {
			return nil, false
		}
		return item{typ, get(s)}, true
	}
}

// variables lists what expressions can name, in the order of the documentation.
func variables() []variable {
	const packages = evidence.NeedPackages
	return []variable{
		{"now", "the moment of the verdict", cel.TimestampType, 0, func(f *Facts) (any, bool) { return f.now, !f.now.IsZero() }},
		{"image", "the name of the image, and what it was read as", imageType, 0, part(imageType, func(f *Facts) *evidence.Image { return f.image })},
		{"config", "the image config", configType, 0, part(configType, func(f *Facts) *evidence.Config { return f.image.Config })},
		{"user", "the user that a runtime starts the image as", userType, evidence.NeedUser, ofScan(evidence.NeedUser, userType, func(s *evidence.Scan) *evidence.User { return s.User })},
		{"os", "the operating system, whose fields are not known when none was identified", osType, packages, maybe(osType, func(s *evidence.Scan) *evidence.OS { return s.OS })},
		{"packages", "all packages and libraries", cel.ListType(packageType), packages, found(packages, packageType, func(s *evidence.Scan) []evidence.Package { return s.Packages })},
		{"findings", "all vulnerabilities, whatever their class", cel.ListType(findingType), packages | evidence.NeedJava, found(packages, findingType, func(s *evidence.Scan) []evidence.Finding { return s.Findings })},
		{"database", "the advisory database, whose fields are not known when there was none", databaseType, packages, maybe(databaseType, func(s *evidence.Scan) *evidence.Database { return s.Database })},
		{"secrets", "secrets in files and in the config, without their text", cel.ListType(secretType), evidence.NeedSecrets, (*Facts).secrets},
		{"licenses", "the licences of packages", cel.ListType(licenseType), evidence.NeedLicenses, found(evidence.NeedLicenses, licenseType, func(s *evidence.Scan) []evidence.License { return s.Licenses })},
		{"files", "files whose mode or attributes give rights", filesType, evidence.NeedFiles, ofScan(evidence.NeedFiles, filesType, func(s *evidence.Scan) *evidence.Files { return s.Files })},
		{"gaps", "what the scan could not see", cel.ListType(gapType), packages, func(f *Facts) (any, bool) {
			s := f.image.Scanned(packages)
			if s == nil || s.Coverage.Gaps == nil {
				return nil, false
			}
			return itemsOf(gapType, s.Coverage.Gaps), true
		}},
	}
}

// variableNames lists the names of the variables.
func variableNames() []string {
	var out []string
	for _, v := range variables() {
		out = append(out, v.name)
	}
	return out
}

// structures lists the types of the variables and of their fields.
func structures() []structure {
	return []structure{
		{"Image", imageFields()}, {"Config", configFields()}, {"Layer", layerFields()}, {"User", userFields()}, {"OS", osFields()},
		{"Package", packageFields()}, {"Finding", findingFields()}, {"Database", databaseFields()}, {"Secret", secretFields()},
		{"License", licenseFields()}, {"Files", filesFields()}, {"File", fileFields()}, {"Gap", gapFields()},
	}
}

func imageFields() []field {
	type image = evidence.Image
	return []field{
		always("name", cel.StringType, "registry/repository without tag and digest", func(i *image) string { return i.Reference.Name }),
		always("asked", cel.StringType, "the reference as it was written", func(i *image) string { return i.Reference.Asked }),
		always("source", cel.StringType, "registry, oci, tar, docker or podman", func(i *image) string { return string(i.Reference.Source) }),
		always("registry", cel.StringType, "its registry, \"\" for an image of this machine", func(i *image) string { return i.Reference.Registry }),
		always("repository", cel.StringType, "its repository", func(i *image) string { return i.Reference.Repository }),
		always("tag", cel.StringType, "the tag as it was written, \"\" for none", func(i *image) string { return i.Reference.Tag }),
		always("digest", cel.StringType, "the digest of the manifest that was judged, \"\" for an image without one", func(i *image) string { return i.Digest }),
		always("index_digest", cel.StringType, "the digest of the index that the manifest is of, \"\" for none", func(i *image) string { return i.IndexDigest }),
		always("platform", cel.StringType, "os/architecture[/variant]", func(i *image) string { return i.Platform }),
		always("platforms", textList, "all platforms of the index", func(i *image) []string { return i.Platforms }),
	}
}

func configFields() []field {
	type config = evidence.Config
	return []field{
		always("user", cel.StringType, "USER as it was written", func(c *config) string { return c.User }),
		always("entrypoint", textList, "ENTRYPOINT", func(c *config) []string { return c.Entrypoint }),
		always("cmd", textList, "CMD", func(c *config) []string { return c.Cmd }),
		always("exposed_ports", textList, "ports such as 22/tcp", func(c *config) []string { return c.ExposedPorts }),
		always("labels", cel.MapType(cel.StringType, cel.StringType), "the labels", func(c *config) map[string]string { return c.Labels }),
		always("env_names", textList, "the names of environment variables", func(c *config) []string { return c.EnvNames }),
		always("volumes", textList, "VOLUME", func(c *config) []string { return c.Volumes }),
		always("healthcheck", cel.BoolType, "whether there is a HEALTHCHECK other than NONE", func(c *config) bool { return c.Healthcheck }),
		moment("created", "when the image was built", func(c *config) *time.Time { return c.Created }),
		always("size", cel.IntType, "the compressed layers in bytes", func(c *config) int64 { return c.Size }),
		always("layers", cel.ListType(layerType), "the layers, the bottom one first", func(c *config) items { return itemsOf(layerType, c.Layers) }),
	}
}

func layerFields() []field {
	type layer = evidence.Layer
	return []field{
		always("digest", cel.StringType, "of the compressed blob", func(l *layer) string { return l.Digest }),
		always("diff_id", cel.StringType, "of the uncompressed archive", func(l *layer) string { return l.DiffID }),
		always("media_type", cel.StringType, "its media type", func(l *layer) string { return l.MediaType }),
		always("size", cel.IntType, "compressed, in bytes", func(l *layer) int64 { return l.Size }),
		always("created_by", cel.StringType, "the line of the history that made it, \"\" for none; the author wrote it", func(l *layer) string { return l.CreatedBy }),
	}
}

func userFields() []field {
	type user = evidence.User
	number := func(n *int64) (any, bool) {
		if n == nil {
			return nil, false
		}
		return *n, true
	}
	return []field{
		of("uid", cel.IntType, "its number, not known when it cannot be resolved", func(u *user) (any, bool) { return number(u.UID) }),
		of("gid", cel.IntType, "the number of its group", func(u *user) (any, bool) { return number(u.GID) }),
		always("numeric", cel.BoolType, "whether USER is written as a number", func(u *user) bool { return u.Numeric }),
	}
}

func osFields() []field {
	type system = evidence.OS
	return []field{
		always("family", cel.StringType, "alpine, debian, redhat and so on", func(o *system) string { return o.Family }),
		always("release", cel.StringType, "its release", func(o *system) string { return o.Release }),
		moment("end_of_life", "the last day of support", func(o *system) *time.Time { return o.EndOfLife }),
	}
}

func packageFields() []field {
	type pkg = evidence.Package
	return []field{
		always("name", cel.StringType, "its name", func(p *pkg) string { return p.Name }),
		always("version", cel.StringType, "its version", func(p *pkg) string { return p.Version }),
		always("type", cel.StringType, "debian, alpine, node-pkg, gobinary, jar and so on: the words of vulnerabilities.types", func(p *pkg) string { return p.Type }),
		always("class", cel.StringType, "os-pkgs or lang-pkgs", func(p *pkg) string { return string(p.Class) }),
		always("purl", cel.StringType, "its package URL, \"\" for none", func(p *pkg) string { return p.PURL }),
		always("path", cel.StringType, "the file it was found in, \"\" for a package of the operating system", func(p *pkg) string { return p.Path }),
		always("source_name", cel.StringType, "the source package, \"\" where there is none", func(p *pkg) string { return p.SourceName }),
		always("owned_by", cel.StringType, "the package of the distribution that installed it, \"\" for none", func(p *pkg) string { return p.OwnedBy }),
		always("layer", cel.StringType, "the diffID of its layer, \"\" when it is not known", func(p *pkg) string { return p.Layer }),
	}
}

func findingFields() []field {
	type finding = evidence.Finding
	return []field{
		always("id", cel.StringType, "its id", func(f *finding) string { return f.ID }),
		always("aliases", textList, "its other ids", func(f *finding) []string { return f.Aliases }),
		always("package", packageType, "the package that it is in", func(f *finding) item { return item{packageType, f.Package} }),
		always("severity", cel.StringType, "critical, high, medium, low or unknown, as Trivy chose it", func(f *finding) string { return string(f.Severity) }),
		always("vendor_severity", cel.MapType(cel.StringType, cel.StringType), "the severity by source: nvd, ghsa, debian and so on", func(f *finding) map[string]string {
			out := map[string]string{}
			for source, severity := range f.VendorSeverity {
				out[source] = string(severity)
			}
			return out
		}),
		always("cvss", cel.MapType(cel.StringType, cel.DoubleType), "the CVSS score by source, the newest version that the source gives", scores),
		always("fixed_version", cel.StringType, "the version with a fix, \"\" for none", func(f *finding) string { return f.FixedVersion }),
		always("status", cel.StringType, "fixed, affected, will_not_fix and so on", func(f *finding) string { return f.Status }),
		always("title", cel.StringType, "its title", func(f *finding) string { return f.Title }),
		always("cwes", textList, "ids of weaknesses, such as CWE-79", func(f *finding) []string { return f.CWEs }),
		moment("published", "when the advisory was published", func(f *finding) *time.Time { return f.Published }),
		moment("modified", "when it was changed", func(f *finding) *time.Time { return f.Modified }),
		exploited(fieldInKEV, cel.BoolType, "whether CISA's catalogue of exploited vulnerabilities lists it. Without the catalogue, or with one that is older than exploited.database-max-age, the rule is undecided", func(e *evidence.Exploited, f *finding) (any, bool) {
			kev, _ := e.Of(f)
			return kev != nil, e.KEV != nil
		}),
		exploited(fieldKEVDue, cel.TimestampType, "the day by which the catalogue wants it fixed; not known when it is not listed", func(e *evidence.Exploited, f *finding) (any, bool) {
			kev, _ := e.Of(f)
			if kev == nil {
				return nil, false
			}
			return kev.Due, true
		}),
		exploited(fieldEPSS, cel.DoubleType, "its probability of exploitation within 30 days; not known when it has no score, or the scores were not read", func(e *evidence.Exploited, f *finding) (any, bool) {
			_, epss := e.Of(f)
			if epss == nil {
				return nil, false
			}
			return epss.Probability, true
		}),
	}
}

// The fields of a finding that feeds about exploitation know.
const (
	fieldInKEV  = "in_kev"
	fieldKEVDue = "kev_due"
	fieldEPSS   = "epss"
)

// exploited makes a field of a finding that the feeds about exploitation know.
func exploited(name string, typ *cel.Type, doc string, get func(*evidence.Exploited, *evidence.Finding) (any, bool)) field {
	return field{name: name, typ: typ, doc: doc, get: func(o *object) (any, bool) {
		f, ok := o.of.(*evidence.Finding)
		s := o.facts.image.Scan
		if !ok || s == nil || s.Exploited == nil {
			return nil, false
		}
		return get(s.Exploited, f)
	}}
}

// scores returns the score of each source that gives one.
func scores(f *evidence.Finding) map[string]float64 {
	out := map[string]float64{}
	for source, c := range f.CVSS {
		if score := cmp.Or(c.V40Score, c.V3Score, c.V2Score); score > 0 {
			out[source] = score
		}
	}
	return out
}

func databaseFields() []field {
	type database = evidence.Database
	return []field{
		always("source", cel.StringType, "where it is from", func(d *database) string { return d.Source }),
		always("digest", cel.StringType, "the digest of its artifact, \"\" when imagegate did not download it", func(d *database) string { return d.Digest }),
		moment("updated_at", "when it was built", func(d *database) *time.Time { return &d.UpdatedAt }),
	}
}

func secretFields() []field {
	type secret = evidence.Secret
	return []field{
		always("rule", cel.StringType, "the rule that found it", func(s *secret) string { return s.RuleID }),
		always("category", cel.StringType, "its category", func(s *secret) string { return s.Category }),
		always("severity", cel.StringType, "critical, high, medium, low or unknown", func(s *secret) string { return string(s.Severity) }),
		always("path", cel.StringType, "the file", func(s *secret) string { return s.Path }),
		always("layer", cel.StringType, "the diffID of its layer", func(s *secret) string { return s.Layer }),
		always("content", cel.StringType, "the sha256 of the file, \"\" when it is not known", func(s *secret) string { return s.Content }),
	}
}

func licenseFields() []field {
	type license = evidence.License
	return []field{
		always("name", cel.StringType, "an SPDX id where there is one", func(l *license) string { return l.Name }),
		always("package", cel.StringType, "the package", func(l *license) string { return l.Package }),
		always("type", cel.StringType, "the type of the package", func(l *license) string { return l.Type }),
		always("path", cel.StringType, "the file it was found in, \"\" for none", func(l *license) string { return l.Path }),
	}
}

func filesFields() []field {
	type files = evidence.Files
	list := func(name, what string, get func(*files) *evidence.FileList) []field {
		return []field{
			// A list that is cut would say that a file is not there.
			of(name, cel.ListType(fileType), what+fmt.Sprintf("; not known when there are more than %d", evidence.MaxFiles), func(f *files) (any, bool) {
				l := get(f)
				return itemsOf(fileType, l.Files), l.Count <= len(l.Files)
			}),
			always(name+"_count", cel.IntType, "how many there are", func(f *files) int64 { return int64(max(get(f).Count, len(get(f).Files))) }),
		}
	}
	return slices.Concat(
		list("set_id", "files with the setuid or the setgid bit", func(f *files) *evidence.FileList { return &f.SetID }),
		list("capabilities", "files with capabilities", func(f *files) *evidence.FileList { return &f.Capabilities }),
		list("world_writable", "files, and directories without the sticky bit, that every user may write", func(f *files) *evidence.FileList { return &f.WorldWritable }),
	)
}

func fileFields() []field {
	type file = evidence.File
	return []field{
		always("path", cel.StringType, "its path, without a slash at its beginning", func(f *file) string { return f.Path }),
		always("dir", cel.BoolType, "whether it is a directory", func(f *file) bool { return f.Dir }),
		always("setuid", cel.BoolType, "whether it has the setuid bit", func(f *file) bool { return f.Setuid }),
		always("setgid", cel.BoolType, "whether it has the setgid bit", func(f *file) bool { return f.Setgid }),
		always("capabilities", textList, "its capabilities, such as cap_net_raw", func(f *file) []string { return f.Capabilities }),
		always("layer", cel.StringType, "the diffID of its layer", func(f *file) string { return f.Layer }),
	}
}

func gapFields() []field {
	type gap = evidence.Gap
	return []field{
		always("kind", cel.StringType, "its kind, as the coverage rule is named", func(g *gap) string { return string(g.Kind) }),
		always("subject", cel.StringType, "what it is about", func(g *gap) string { return g.Subject }),
		always("path", cel.StringType, "the path that it is about, \"\" for none", func(g *gap) string { return g.Path }),
		always("detail", cel.StringType, "what is wrong", func(g *gap) string { return g.Detail }),
	}
}

// Row is one row of the documentation: a variable, or a field of a type.
type Row struct{ Name, Type, Doc string }

// Variables describes the variables.
func Variables() []Row {
	var out []Row
	for _, v := range variables() {
		out = append(out, Row{v.name, typeName(v.typ), v.doc})
	}
	return out
}

// Fields describes the fields of the types of variables, in the order of
// [Variables]. The name of a field begins with that of its type.
func Fields() []Row {
	var out []Row
	for _, s := range structures() {
		for _, f := range s.fields {
			out = append(out, Row{s.name + "." + f.name, typeName(f.typ), f.doc})
		}
	}
	return out
}

// typeName is the name of a type in the documentation.
func typeName(t *cel.Type) string { return strings.TrimPrefix(t.String(), "google.protobuf.") }
