package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/imagegate/imagegate/cmd/imagegate/progress"
	"github.com/imagegate/imagegate/gate"
	"github.com/imagegate/imagegate/gate/saved"
	"github.com/imagegate/imagegate/policy"
	"github.com/imagegate/imagegate/policy/evidence"
)

// later is what forecast and explain judge: saved evidence, by a policy.
type later struct {
	policy  *policy.Policy
	source  gate.PolicySource
	images  []evidence.Image
	missing []forecastMissing
	// release are the documents of the one file, nil without.
	release *saved.Release
}

// judgedLater reads what forecast and explain need. Documents are judged with the images
// of their file, so that they are looked at only in a file that is given by itself.
func judgedLater(p *program, c *cli.Context, paths []string) (*later, error) {
	path, err := policyPath(p, c.String("policy"))
	if err == nil {
		err = checkReadOnce(p, slices.Concat([]string{path, c.String("kev"), c.String("epss")}, givenFiles(c), paths)...)
	}
	if err != nil {
		return nil, err
	}
	l := &later{missing: []forecastMissing{}}
	l.policy, l.source, err = choosePolicy(p, c, c.String("policy"), demands{c.String("require-policy-digest"), c.String("require-base-policy")})
	if err != nil {
		return nil, err
	}
	warn := progress.New(p.stderr, false, p.env.get).Warn
	all, err := readAllSaved(c.Context, paths, shard{}, func(path string) func(*saved.Release) error {
		return func(r *saved.Release) error {
			if len(paths) == 1 {
				l.release = r
				return nil
			}
			warn(path + " holds documents, such as manifests: this is about their images alone; give the file by itself for the whole release")
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	feeds, err := readFeeds(p, c, l.policy)
	if err != nil {
		return nil, err
	}
	given, err := readGiven(p, c, &setup{policy: l.policy}, false)
	if err != nil {
		return nil, err
	}
	images, lost := splitSaved(all)
	for i := range images {
		given.attach(&images[i])
		annotate(feeds, &images[i])
	}
	l.images = images
	for i := range lost {
		l.missing = append(l.missing, forecastMissing{lost[i].Ref, lost[i].Err.Error()})
	}
	return l, nil
}

// inRelease returns the verdict of an image that counts: where documents are judged, it
// can depend on what they say about its user.
func (l *later) inRelease(own policy.Verdict, img *evidence.Image) policy.Verdict {
	if l.release == nil {
		return own
	}
	alone := slices.Contains(l.release.Alone, img.Reference.Asked)
	if v := l.policy.InRelease(&own, img, &l.release.Documents, alone); v != nil {
		return *v
	}
	return own
}

// pointers are the images as documents are judged with them.
func (l *later) pointers() []*evidence.Image {
	var out []*evidence.Image
	for i := range l.images {
		out = append(out, &l.images[i])
	}
	return out
}
