// Package findings writes findings with each advisory once, and reads them.
//
// An advisory takes two kilobytes, and most advisories of an image belong to several
// findings and to several images of a run. A written finding therefore names its advisory
// by its place in a list, and its package by its place in the packages of the scan. What is
// read shares memory: it must not be changed.
package findings

import (
	"encoding/json/jsontext"
	"fmt"
	"sync"

	"github.com/imagegate/imagegate/gate/strictjson"
	"github.com/imagegate/imagegate/policy/evidence"
)

// Finding is an [evidence.Finding] as it is written. Places are counted from 0. A
// package that is not in the list is written whole: Trivy can have matched another
// version than the package says.
type Finding struct {
	Advisory     *int              `json:"advisory"`
	PackageAt    *int              `json:"packageAt,omitempty"`
	Package      *evidence.Package `json:"package,omitempty"`
	FixedVersion string            `json:"fixedVersion,omitempty"`
	Status       string            `json:"status,omitempty"`
}

// Table collects the advisories of findings, each once. Two advisories are equal when all
// that is written of them is: two feeds can describe one id differently.
type Table struct {
	// Advisories are written before the findings that name them.
	Advisories []jsontext.Value

	places map[string]int             // by the JSON of the advisory
	seen   map[*evidence.Advisory]int // advisories that findings share are encoded once
}

// Refer returns the findings of a scan with these packages as they are written.
func (t *Table) Refer(list []evidence.Finding, packages []evidence.Package) ([]Finding, error) {
	if list == nil {
		return nil, nil
	}
	at := make(map[evidence.Package]int, len(packages))
	for i, p := range packages {
		at[p] = i
	}
	out := make([]Finding, len(list))
	for i := range list {
		f := &list[i]
		place, err := t.place(f.Advisory)
		if err != nil {
			return nil, err
		}
		out[i] = Finding{Advisory: &place, FixedVersion: f.FixedVersion, Status: f.Status}
		if found, ok := at[*f.Package]; ok {
			out[i].PackageAt = &found
		} else {
			out[i].Package = f.Package
		}
	}
	return out, nil
}

// place returns the place of an advisory, which it adds when it is new.
func (t *Table) place(a *evidence.Advisory) (int, error) {
	if place, ok := t.seen[a]; ok {
		return place, nil
	}
	b, err := strictjson.Marshal(a)
	if err != nil {
		return 0, err
	}
	if t.places == nil {
		t.places, t.seen = map[string]int{}, map[*evidence.Advisory]int{}
	}
	place, ok := t.places[string(b)]
	if !ok {
		place = len(t.Advisories)
		t.Advisories = append(t.Advisories, b)
		t.places[string(b)] = place
	}
	t.seen[a] = place
	return place, nil
}

// Resolve is the reverse of [Table.Refer]. A place that does not exist is an error: a
// finding without its severity would be judged as a harmless one.
func Resolve(list []Finding, advisories []*evidence.Advisory, packages []evidence.Package) ([]evidence.Finding, error) {
	if list == nil {
		return nil, nil
	}
	out := make([]evidence.Finding, len(list))
	for i := range list {
		f := &list[i]
		switch {
		case f.Advisory == nil || *f.Advisory < 0 || *f.Advisory >= len(advisories):
			return nil, fmt.Errorf("findings[%d]: its advisory is not one of the %d advisories before it", i, len(advisories))
		case (f.PackageAt == nil) == (f.Package == nil):
			return nil, fmt.Errorf("findings[%d]: it must have either package or packageAt", i)
		case f.PackageAt != nil && (*f.PackageAt < 0 || *f.PackageAt >= len(packages)):
			return nil, fmt.Errorf("findings[%d]: its packageAt is not one of the %d packages of the scan", i, len(packages))
		case f.PackageAt != nil:
			f.Package = &packages[*f.PackageAt]
		}
		out[i] = evidence.Finding{Advisory: advisories[*f.Advisory], Package: f.Package, FixedVersion: f.FixedVersion, Status: f.Status}
	}
	return out, nil
}

// keptBytes limits how much JSON of advisories is kept: 50,000 advisories of a usual
// size.
const keptBytes = 128 << 20

// Known decodes an advisory that is read many times once: to look up its bytes is many
// times faster, and takes its memory once. The zero value is ready. It is safe for
// concurrent use.
type Known struct {
	mu         sync.Mutex
	advisories map[string]*evidence.Advisory // by their JSON
	kept       int
}

// Advisory returns the advisory of a JSON object. The error is that of decode, which is
// called when the object is new.
func (k *Known) Advisory(value jsontext.Value, decode func(jsontext.Value, any) error) (*evidence.Advisory, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a := k.advisories[string(value)]; a != nil {
		return a, nil
	}
	a := new(evidence.Advisory)
	if err := decode(value, a); err != nil {
		return nil, err
	}
	if k.kept += len(value); k.advisories == nil || k.kept > keptBytes {
		k.advisories, k.kept = map[string]*evidence.Advisory{}, len(value)
	}
	k.advisories[string(value)] = a
	return a, nil
}
