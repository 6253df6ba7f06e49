package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/cmdline"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/image"
	"github.com/imagegate/imagegate/gate/input"
	"github.com/imagegate/imagegate/gate/workload/compose"
	"github.com/imagegate/imagegate/gate/workload/dockerfile"
	"github.com/imagegate/imagegate/gate/workload/manifests"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// The flags that name documents of a release.
const (
	flagManifests  = "manifests"
	flagNamespace  = "namespace"
	flagCompose    = "compose"
	flagDockerfile = "dockerfile"
	flagBuildArg   = "build-arg"
	flagAs         = "as"
)

// documentFlags name the documents of a release, and where their images are.
func documentFlags() []cli.Flag {
	return cmdline.Group("Documents of a release",
		&cli.StringSliceFlag{Name: flagManifests, Usage: "also judge the rendered Kubernetes manifests in `FILE`, below a directory or, for -, on standard input, and their images"},
		&cli.StringFlag{Name: flagNamespace, Usage: "`NAMESPACE` of the objects in manifests that name none"},
		&cli.StringSliceFlag{Name: flagCompose, Usage: "also judge the services of the Compose file `FILE`, and their images"},
		&cli.StringSliceFlag{Name: flagDockerfile, Usage: "also judge the Dockerfile `FILE[#STAGE]`, and the names of its images; STAGE is the one that is built, without it the last one"},
		&cli.StringSliceFlag{Name: flagBuildArg, Usage: "judge the Dockerfiles as they are built with the argument `NAME=VALUE`"},
		&cli.StringSliceFlag{Name: flagAs, Usage: "read the image that a document calls REF from SOURCE, before it is pushed: `REF=SOURCE`, or service:NAME=SOURCE for a\n" +
			"Compose service; SOURCE is oci:DIR[:TAG] or an image in a registry"},
		&cli.StringFlag{Name: flagWritePinned, Usage: "write the documents to `OUT` with every image pinned to its judged digest, when all passed: a file for one document,\n" +
			"a new directory for several"},
	)
}

// documents are the documents that the command line names.
type documents struct {
	release *evidence.Release
	sources map[string]string // where references are read from by --as
	notes   []string
	// stdin holds what was read from standard input, and directory is true when one was
	// given instead of a file.
	stdin     bytes.Buffer
	directory bool
}

// documentFiles lists the files that flags name, for the checks of what is read and
// written.
func documentFiles(c *cli.Context) []string {
	files := slices.Concat(c.StringSlice(flagManifests), c.StringSlice(flagCompose))
	for _, value := range c.StringSlice(flagDockerfile) {
		name, _ := cutStage(value)
		files = append(files, name)
	}
	return files
}

// namesDocuments reports whether the command line names a document.
func namesDocuments(c *cli.Context) bool {
	return len(c.StringSlice(flagManifests))+len(c.StringSlice(flagCompose))+len(c.StringSlice(flagDockerfile)) > 0
}

// readDocuments reads the documents of the command line. It returns nil when there
// are none. refs are the images that the command line names beside them.
func readDocuments(p *program, c *cli.Context, run *setup, refs []string) (*documents, error) {
	if c.IsSet(flagNamespace) && len(c.StringSlice(flagManifests)) == 0 {
		return nil, usagef("flag --%s: no manifests are given", flagNamespace).WithHint("imagegate check --manifests k8s/ --namespace shop")
	}
	if c.IsSet(flagBuildArg) && len(c.StringSlice(flagDockerfile)) == 0 {
		return nil, usagef("flag --%s: no Dockerfile is given", flagBuildArg).WithHint("imagegate check --dockerfile Dockerfile --build-arg VERSION=1.4.2")
	}
	if !namesDocuments(c) {
		if c.IsSet(flagAs) {
			return nil, usagef("flag --%s: it names an image of a document, and no document is given", flagAs).WithHint("add --compose FILE, or check the SOURCE itself")
		}
		return nil, nil
	}
	if run.shard.count > 0 {
		return nil, usagef("flag --shard: documents are judged as a whole").WithHint("give the images alone to the shards, and the documents to one run")
	}
	if c.Bool("fail-fast") {
		return nil, usagef("flag --fail-fast: documents are judged as a whole").WithHint("leave out --fail-fast")
	}
	d := &documents{release: &evidence.Release{SchemaVersion: evidence.SchemaVersion}, sources: map[string]string{}}
	if err := d.readManifests(p, c, run.policy); err != nil {
		return nil, err
	}
	for _, name := range c.StringSlice(flagCompose) {
		read, err := compose.Read(c.Context, name, func() (string, error) { return p.tmp.Path(c.String("tmp-dir")) })
		if err != nil {
			return nil, documentError(flagCompose, err)
		}
		d.release.Append(read.Release)
		d.notes = append(d.notes, read.Notes...)
	}
	if err := d.readDockerfiles(c); err != nil {
		return nil, err
	}
	return d, d.readElsewhere(c.StringSlice(flagAs), c.Bool("attest"), refs)
}

// readManifests reads the manifests of the command line.
func (d *documents) readManifests(p *program, c *cli.Context, policy *policy.Policy) error {
	o := manifests.Options{Namespace: c.String(flagNamespace), Templates: policy.WorkloadTemplates()}
	if o.Namespace != "" && !manifests.IsNamespace(o.Namespace) || o.Namespace == "" && c.IsSet(flagNamespace) {
		return usagef("flag --%s: %q is no name of a namespace", flagNamespace, o.Namespace)
	}
	for _, name := range c.StringSlice(flagManifests) {
		read, err := manifests.Read(c.Context, name, io.TeeReader(p.stdin, &d.stdin), o)
		if _, empty := errors.AsType[*manifests.EmptyDirectoryError](err); empty {
			return usagef("flag --%s: %w", flagManifests, err)
		}
		if err != nil {
			return documentError(flagManifests, err)
		}
		info, err := os.Stat(name)
		d.directory = d.directory || err == nil && info.IsDir()
		d.release.Append(read)
	}
	return nil
}

// readDockerfiles reads the Dockerfiles of the command line.
func (d *documents) readDockerfiles(c *cli.Context) error {
	args, err := buildArgs(c)
	if err != nil {
		return err
	}
	for _, value := range c.StringSlice(flagDockerfile) {
		name, stage := cutStage(value)
		read, err := dockerfile.Read(c.Context, name, dockerfile.Options{Target: stage, Args: args})
		if err != nil {
			return documentError(flagDockerfile, err)
		}
		d.release.Append(read)
	}
	var declared []string
	for i := range d.release.Dockerfiles {
		declared = append(declared, d.release.Dockerfiles[i].BuildArgs...)
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if !slices.Contains(declared, name) && d.understood() {
			return usagef("flag --%s: no Dockerfile declares ARG %s", flagBuildArg, name).WithHint("the build would ignore it: correct the name, which has its case, or leave it out")
		}
		d.notes = append(d.notes, fmt.Sprintf("ARG %s of the Dockerfiles has the value of --%s", name, flagBuildArg))
	}
	return nil
}

// buildArgs reads the arguments of the build. None comes from the environment: that of
// this run is not that of the build.
func buildArgs(c *cli.Context) (map[string]string, error) {
	args := map[string]string{}
	for _, text := range c.StringSlice(flagBuildArg) {
		name, value, ok := strings.Cut(text, "=")
		_, twice := args[name]
		switch {
		case !ok || name == "":
			return nil, usagef("flag --%s: %q is not NAME=VALUE", flagBuildArg, name).WithHint("the environment is not read: --%s %s=VALUE", flagBuildArg, cmp.Or(name, "NAME"))
		case twice:
			return nil, usagef("flag --%s: %s is given twice", flagBuildArg, name).WithHint("give one value")
		case c.IsSet(flagWritePinned):
			return nil, usagef("flag --%s: the pinned Dockerfile would hold for one value of ARG %s alone", flagWritePinned, name).WithHint("write the value into the Dockerfile as the default")
		}
		args[name] = value
	}
	return args, nil
}

// cutStage cuts FILE#STAGE. A file whose name has a # is meant as a whole.
func cutStage(value string) (name, stage string) {
	if _, err := os.Lstat(value); err == nil {
		return value, ""
	}
	if i := strings.LastIndexByte(value, '#'); i > 0 {
		return value[:i], value[i+1:]
	}
	return value, ""
}

// documentError is a mistake of the command line when the file is not there, and
// otherwise no verdict.
func documentError(flag string, err error) error {
	if _, wrong := errors.AsType[*input.KindError](err); wrong || errors.Is(err, fs.ErrNotExist) {
		return usagef("flag --%s: %w", flag, err)
	}
	return fmt.Errorf("read the document of --%s: %w", flag, err)
}

// readElsewhere applies every --as to the images of the documents. alone are the images
// that are named by themselves.
func (d *documents) readElsewhere(values []string, attest bool, alone []string) error {
	if len(values) > 0 && attest {
		return usagef("flag --%s: a decision cannot be signed about an image that is not where its name says", flagAs).
			WithHint("push the image, check it by its name, and sign that")
	}
	for _, value := range values {
		a, err := image.ParseAs(value)
		if err != nil {
			return usagef("flag --%s: %w", flagAs, err)
		}
		if i := slices.IndexFunc(alone, a.Names); i >= 0 {
			return usagef("flag --%s: %s is also named alone, and an image that is named alone is judged where its name says", flagAs, alone[i]).
				WithHint("leave the image out: the documents name it; or name %s to judge that alone", a.Source)
		}
		used, err := d.apply(&a)
		if err != nil {
			return err
		}
		if !used && d.understood() {
			return usagef("flag --%s: no document names the image of %s", flagAs, value).WithHint("%s", d.namesHint(&a))
		}
	}
	return nil
}

// understood reports whether every document was read without a mistake. What else
// one of them names is not known: there is no verdict, and no mistake of the command
// line.
func (d *documents) understood() bool {
	return len(d.release.Unknown) == 0 && !slices.ContainsFunc(d.release.Documents, func(e evidence.Document) bool { return len(e.Problems) > 0 })
}

// apply makes the documents read an image from elsewhere, and reports whether one
// of them names it.
func (d *documents) apply(a *image.As) (used bool, err error) {
	for _, u := range d.release.Uses() {
		if !d.means(a, &u) {
			continue
		}
		used = true
		if u.Image == "" { // a service that is only built has no other name
			if u.Source != "" && u.Source != a.Source {
				return true, d.twice(a)
			}
			u.ImageName.Ref, u.ImageName.Problem, u.ImageName.Source = a.Source, "", a.Source
			continue
		}
		if other := d.sources[u.Ref]; other != "" && other != a.Source {
			return true, d.twice(a)
		}
		d.sources[u.Ref], u.ImageName.Source = a.Source, a.Source
	}
	if used {
		name, _, _ := strings.Cut(a.Text, "=")
		d.notes = append(d.notes, fmt.Sprintf("%s is judged from %s (--%s)", name, a.Source, flagAs))
	}
	return used, nil
}

func (d *documents) twice(a *image.As) error {
	return usagef("flag --%s: %s names an image that another --%s reads from another place", flagAs, a.Text, flagAs).WithHint("give one SOURCE for each image")
}

// means reports whether an entry is about a use of an image.
func (d *documents) means(a *image.As, u *evidence.ImageUse) bool {
	if a.Service == "" {
		return u.Ref != "" && u.Stage == nil && a.Names(u.Ref)
	}
	if u.Container == nil || u.Workload.Document != evidence.DocumentCompose || u.Workload.Name != a.Service {
		return false
	}
	return u.Image == u.Workload.Containers[0].Image.Image && (u.Ref != "" || u.Image == "")
}

// namesHint lists what --as could have meant.
func (d *documents) namesHint(a *image.As) string {
	var names []string
	for _, u := range d.release.Uses() {
		switch {
		case a.Service != "" && u.Workload != nil && u.Workload.Document == evidence.DocumentCompose:
			names = append(names, "service:"+u.Workload.Name)
		case a.Service == "" && u.Image != "" && u.Stage == nil:
			names = append(names, u.Image)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return "the documents name no such image"
	}
	if len(names) > 10 {
		names = append(names[:10:10], "...")
	}
	return "the documents name " + strings.Join(names, ", ")
}

// resolver returns a resolver that follows --as.
func (d *documents) resolver(inner gate.Resolver) gate.Resolver {
	if d == nil || len(d.sources) == 0 {
		return inner
	}
	return image.Elsewhere(inner, d.sources)
}

// check judges the images, and the documents with theirs.
func (d *documents) check(ctx context.Context, g *gate.Gate, refs []string) ([]gate.Result, *gate.Release) {
	if d == nil {
		return g.Check(ctx, refs), nil
	}
	return g.CheckRelease(ctx, d.release, refs)
}

// images counts the images that the documents name and refs does not.
func (d *documents) images(g *gate.Gate, refs []string) int {
	if d == nil {
		return 0
	}
	n := 0
	for _, ref := range d.release.Refs(g.Policy.JudgesDockerfileImages()) {
		if !slices.Contains(refs, ref) {
			n++
		}
	}
	return n
}

// needs returns what has to be collected of the images.
func (d *documents) needs(p *policy.Policy) evidence.Need {
	if d == nil {
		return p.Needs()
	}
	return p.Needs() | p.ReleaseNeeds()
}

// remarks are the notes about the documents.
func (d *documents) remarks() []string {
	if d == nil {
		return nil
	}
	return d.notes
}
