package proof

import (
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/gate/prove"
	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// maxSources bounds how many sources and dependencies are read of one statement.
const maxSources = 1000

// resource is something that a build used.
type resource struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

// dependencies are what a build used, for the base image among them.
type dependencies struct{ all []resource }

// readProvenance reads the predicate of SLSA provenance.
func readProvenance(s *prove.Statement) (*evidence.Provenance, *dependencies, error) {
	read := readV1
	if s.PredicateType == policy.ProvenanceV02 {
		read = readV02
	}
	p, d, err := read(s.Predicate)
	if err != nil {
		return nil, nil, fmt.Errorf("the provenance cannot be read: %w", err)
	}
	if len(d.all) > maxSources {
		return nil, nil, fmt.Errorf("the provenance has %d dependencies, more than %d", len(d.all), maxSources)
	}
	return p, d, nil
}

func readV02(raw jsontext.Value) (*evidence.Provenance, *dependencies, error) {
	var p struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
		Invocation struct {
			ConfigSource resource `json:"configSource"`
		} `json:"invocation"`
		Materials []resource `json:"materials"`
	}
	if err := strictjson.Unmarshal(raw, &p, strictjson.AllowUnknownKeys()); err != nil {
		return nil, nil, err
	}
	out := &evidence.Provenance{Version: "0.2", Builder: short(p.Builder.ID)}
	addSource(out, p.Invocation.ConfigSource.URI, "")
	return out, &dependencies{p.Materials}, nil
}

// readV1 reads the parameters by which the common build systems name the source:
// GitHub Actions (workflow), BuildKit (configSource), Google Cloud Build
// (buildConfigSource), and GitLab and others (source). What else is in the
// parameters is left to the build system.
func readV1(raw jsontext.Value) (*evidence.Provenance, *dependencies, error) {
	type repository struct {
		Repository string `json:"repository"`
		Ref        string `json:"ref"`
	}
	var p struct {
		BuildDefinition struct {
			ExternalParameters struct {
				Workflow          *repository    `json:"workflow"`
				BuildConfigSource *repository    `json:"buildConfigSource"`
				ConfigSource      *resource      `json:"configSource"`
				Source            jsontext.Value `json:"source"`
			} `json:"externalParameters"`
			ResolvedDependencies []resource `json:"resolvedDependencies"`
		} `json:"buildDefinition"`
		RunDetails struct {
			Builder struct {
				ID string `json:"id"`
			} `json:"builder"`
		} `json:"runDetails"`
	}
	if err := strictjson.Unmarshal(raw, &p, strictjson.AllowUnknownKeys()); err != nil {
		return nil, nil, err
	}
	out := &evidence.Provenance{Version: "1", Builder: short(p.RunDetails.Builder.ID)}
	from := &p.BuildDefinition.ExternalParameters
	for _, r := range []*repository{from.Workflow, from.BuildConfigSource} {
		if r != nil {
			addSource(out, r.Repository, r.Ref)
		}
	}
	if from.ConfigSource != nil {
		addSource(out, from.ConfigSource.URI, "")
	}
	if err := addValue(out, from.Source); err != nil {
		return nil, nil, err
	}
	return out, &dependencies{p.BuildDefinition.ResolvedDependencies}, nil
}

// addValue adds a source that is a text, or a resource with a URI.
func addValue(p *evidence.Provenance, raw jsontext.Value) error {
	switch raw.Kind() {
	case '"':
		var text string
		if err := strictjson.Unmarshal(raw, &text); err != nil {
			return err
		}
		addSource(p, text, "")
	case '{':
		var r resource
		if err := strictjson.Unmarshal(raw, &r, strictjson.AllowUnknownKeys()); err != nil {
			return err
		}
		addSource(p, r.URI, "")
	}
	return nil
}

// addSource adds a repository and a ref, which may also be part of the URI.
func addSource(p *evidence.Provenance, uri, ref string) {
	if uri == "" && ref == "" {
		return
	}
	source, inURI := sourceOf(uri)
	for _, r := range []string{ref, inURI} {
		if r = cleanRef(r); r != "" && !slices.Contains(p.Refs, r) {
			p.Refs = append(p.Refs, r)
		}
	}
	if !slices.Contains(p.Sources, source) {
		p.Sources = append(p.Sources, source)
	}
}

// odd marks a source or ref that could be read in two ways. No glob of a policy
// matches it.
const odd = "(odd) "

// sourceOf splits a URI into the repository, without scheme, user and ".git", and the
// ref that it names. Forms: git+https://github.com/acme/app@refs/tags/v1,
// https://github.com/acme/app.git#refs/heads/main:dir, git@github.com:acme/app.git.
func sourceOf(uri string) (source, ref string) {
	rest, fragment, _ := strings.Cut(strings.TrimPrefix(uri, "git+"), "#")
	_, after, hasScheme := strings.Cut(rest, "://")
	if hasScheme {
		rest = after
	}
	host, path, _ := strings.Cut(rest, "/")
	if !hasScheme { // as scp writes it
		if user, at, ok := strings.Cut(host, "@"); ok && !strings.Contains(user, ":") {
			if name, first, ok := strings.Cut(at, ":"); ok {
				host, path = name, strings.TrimSuffix(first+"/"+path, "/")
			}
		}
	}
	host = host[strings.LastIndex(host, "@")+1:]
	path, ref, _ = strings.Cut(path, "@")
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	source = strings.ToLower(host)
	if path != "" {
		source += "/" + path
	}
	if ref == "" {
		ref, _, _ = strings.Cut(fragment, ":")
	}
	if strings.Contains(source, "..") || strings.Contains(source, "//") || strings.ContainsAny(source, `%\?`) || strings.ContainsFunc(source, unprintable) {
		source = odd + source
	}
	return short(source), ref
}

func cleanRef(ref string) string {
	if strings.Contains(ref, "..") || strings.Contains(ref, "//") || strings.ContainsFunc(ref, unprintable) {
		ref = odd + ref
	}
	return short(ref)
}

func unprintable(r rune) bool { return r <= ' ' || r == 0x7f }
