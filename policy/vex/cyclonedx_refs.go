package vex

import (
	"fmt"
	"strings"
)

// cdxRefs tells what each bom-ref stands for: components, each a part of the one behind
// it. The last is the component that the document is about.
type cdxRefs map[string][]component

func (d *cdxDocument) refs() (cdxRefs, error) {
	r := cdxRefs{}
	var root []component
	if m := d.Metadata.Component; m != nil {
		const at = "/metadata/component"
		c, err := m.component(at)
		if err != nil {
			return nil, err
		}
		root = []component{c}
		if err := r.add(at, m.Ref, root); err != nil {
			return nil, err
		}
		if err := r.components(at+"/components", m.Components, root); err != nil {
			return nil, err
		}
	}
	if err := r.components("/components", d.Components, root); err != nil {
		return nil, err
	}
	return r, r.services("/services", d.Services, 0)
}

// add adds what a bom-ref stands for. What has none cannot be referred to.
func (r cdxRefs) add(at, ref string, chain []component) error {
	if _, twice := r[ref]; twice {
		return fmt.Errorf("%s/bom-ref is %q, which is another component's", at, clip(ref))
	}
	if ref != "" {
		r[ref] = chain
	}
	return nil
}

func (r cdxRefs) components(at string, in []cdxComponent, parent []component) error {
	if len(parent) > maxRelations {
		return fmt.Errorf("%s: components are nested deeper than %d", at, maxRelations)
	}
	for i := range in {
		place := fmt.Sprintf("%s/%d", at, i)
		c, err := in[i].component(place)
		if err != nil {
			return err
		}
		chain := append([]component{c}, parent...)
		if err := r.add(place, in[i].Ref, chain); err != nil {
			return err
		}
		if len(in[i].Components) == 0 {
			continue
		}
		if err := r.components(place+"/components", in[i].Components, chain); err != nil {
			return err
		}
	}
	return nil
}

// services adds services, which are in no image.
func (r cdxRefs) services(at string, in []cdxService, depth int) error {
	if depth > maxBranches {
		return fmt.Errorf("%s: services are nested deeper than %d", at, maxBranches)
	}
	for i := range in {
		place := fmt.Sprintf("%s/%d", at, i)
		if err := r.add(place, in[i].Ref, []component{{sha256: otherHash}}); err != nil {
			return err
		}
		if err := r.services(place+"/services", in[i].Services, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (in *cdxComponent) component(at string) (component, error) {
	var c component
	if in.PURL != "" {
		if err := c.setPURL(at+"/purl", in.PURL); err != nil {
			return c, err
		}
	}
	var sums []string
	for _, h := range in.Hashes {
		if h.Algorithm == "SHA-256" {
			sums = append(sums, strings.ToLower(h.Content))
		}
	}
	switch {
	case len(sums) == 1:
		c.sha256 = sums[0]
	case len(in.Hashes) > 0:
		c.sha256 = otherHash
	}
	return c.withVersion(in.Version), nil
}
